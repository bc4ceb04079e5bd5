"""Drives Pulumi by its Automation API: one stack a region and layer, in order, in parallel, safe to kill and to resume.

home         where the state, secrets, keys and logs of an environment lie
clouds       entries of clouds.yaml, tried before anything is made
events       what the engine reports, as counts and problems
stores       where state lies: folder, S3 bucket, PostgreSQL table
checkpoints  how the engine lays state out in a store
stack        one operation on one stack
leftovers    processes of a killed run, which are ended with it
recovery     locks and half-made resources that a killed run left behind
schedule     what runs after what, and side by side (pure)
limits       what projects may store of objects and secrets, set by plain calls
runs         preview, up, refresh and down of a whole environment
"""
