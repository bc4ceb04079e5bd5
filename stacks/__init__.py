"""One Pulumi stack a layer.

inputs    what a program is given beside its share of the plan
programs  the program of a stack
names     names of the plan become ids
context   what every layer's program works with
provider  the provider's library, for the server that workers are forked from
the rest  one module a layer: composition, no logic
"""
