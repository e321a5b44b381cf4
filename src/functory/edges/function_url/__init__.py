"""Function URLs over HTTP: a request becomes an event of payload format 2.0, the function's answer a response."""
