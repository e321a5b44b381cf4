'use strict';

// The handler that a standby rehearses with.

exports.handler = async () => ({});
