"""One graph of cloud resources, told once as plain data, and rendered for each of those that are compared."""
