"""`lz drift`: what lives in the cloud is compared with what the environment file says, kind by kind, in both directions.

kinds      every kind that is looked at: its control, whose business it is, how it is put right
facts      one thing, as the plan wants it or as the cloud has it; what differs
estate     what of a region is the landing zone's
wanted     the plan as facts
reading    the cloud read by lists, once a kind
holders    what only members of a project see of it: read and removed by its machine account
live       what was read as facts; what is a tenant's own is left out
compare    facts against facts
look       all of it for the chosen part of an environment
repair     what puts a difference right
others     what others have made inside what is to be removed
"""
