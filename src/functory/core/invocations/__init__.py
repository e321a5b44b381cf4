"""The one path of an invocation, whoever asked for it: outcome, deadline, log tail, REPORT line."""
