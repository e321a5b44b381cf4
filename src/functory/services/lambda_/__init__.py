"""The Lambda service: functions, versions, aliases, invocation, as botocore's ``lambda`` model names them."""
