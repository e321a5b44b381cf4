"""Who calls, and what a caller has been given: the words that authentication, authorisation, IAM and STS share."""
