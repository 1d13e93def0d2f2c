"""CloudWatch: metrics, and the alarms over them."""
