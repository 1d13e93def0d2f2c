"""Values by the shapes of service models: read from JSON, queries and XML, checked, and written."""
