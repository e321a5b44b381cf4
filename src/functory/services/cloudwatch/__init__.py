"""Amazon CloudWatch: metrics. Alarms, dashboards and what else the API has are refused."""
