"""The examples for XGBoost import this module, and use nothing of it."""
