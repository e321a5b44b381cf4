"""What Lambda *is*, without HTTP and without SQL text: functions, artifacts, environments, invocations, deliveries."""
