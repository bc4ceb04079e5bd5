"""`lz verify`: what is promised is tried out on the live cloud, with three results, each tied to a control.

results    pass, fail, could not be evaluated
packets    connections that must pass and such that must not, tried from inside the instances
isolation  what a tenant's own credentials can see of another tenant
verify     brings the probes up, tries everything, takes the probes away
"""
