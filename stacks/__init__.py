"""One Pulumi stack a layer.

inputs    what a program is given beside its share of the plan
programs  the program of a stack
names     names of the plan become ids
context   what every layer's program works with
the rest  one module a layer: composition, no logic
"""
