"""The load tests of the platform's endpoints: a load for each feature, and what endpoints cost."""
