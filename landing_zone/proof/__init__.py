"""`lz verify`: what is promised is tried out on the live cloud, with three results, each tied to a control.

results      pass, fail, could not be evaluated
packets      connections that must pass and such that must not, tried from inside the instances
entry        certificates that open the bastion, and such that must not
isolation    what a tenant's own credentials can see of another tenant
credentials  what the cloud says of tenants' application credentials
verify       brings the probes up, tries everything, takes the probes away
"""
