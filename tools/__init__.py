"""How everything that is not in the repository gets onto the machine: host packages, Python packages, the Pulumi engine."""
