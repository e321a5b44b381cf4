"""Sockets to values: the HTTP/1.1 server that both hot edges stand on (`http1`)."""
