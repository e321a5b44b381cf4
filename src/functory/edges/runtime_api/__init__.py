"""The Runtime API 2018-06-01 over HTTP: one listener per environment, all served by one server."""
