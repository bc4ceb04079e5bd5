"""Drives Pulumi by its Automation API: one stack a region and layer, in order, in parallel, safe to kill and to resume.

home         where the state, secrets, keys and logs of an environment lie
clouds       entries of clouds.yaml, tried before anything is made
stores       where state lies: folder, S3 bucket, PostgreSQL table
access_key   of the bucket, where it is one of an own region's Swift
checkpoints  how the engine lays state out in a store
events       what the engine reports, as counts and problems
doubts       creations that failed without a clear answer
leftovers    processes of a killed run, which are ended with it
room         on the disk, for states
stack        one operation on one stack
crew         operations in processes of their own
schedule     what runs after what, and side by side (pure)
tries        another try, where what failed passes by itself
orphans      half-made things, found and removed
reaching     where the cloud is, told to a state
recovery     locks and half-made resources that a killed run left behind
fingerprint  whether a stack can have changed since it was last right
runs         preview, up, refresh and down of a whole environment
limits       what projects may store of objects and secrets, set by plain calls
sweep        default security groups, which OpenStack makes by itself
credentials  application credentials of tenants
opening      from the name of an environment to a run that may begin
doctor       what is wrong with a state, and what puts it right
sealing      files encrypted with the environment's passphrase
copies       of a region's state, in the region that takes over for it
"""
