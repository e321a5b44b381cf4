"""Application Auto Scaling: provisioned concurrency of functions by schedule and by target tracking."""
