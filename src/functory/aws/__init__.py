"""The AWS wire without sockets: botocore's models, codecs, routing, signature scopes, ARNs and errors.

Everything here is sans-I/O: values in, values out. `http` has the request and response values, `routing` finds the
operation, `codec` turns bytes into parameters and results into bytes, `validation` checks constraints with AWS's texts.
"""
