"""One folder per AWS service, named as botocore names it (``lambda_`` for ``lambda``)."""
