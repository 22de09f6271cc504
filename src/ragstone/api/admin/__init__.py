"""`/admin`: what a tenant's administrators and the installation's operators do."""
