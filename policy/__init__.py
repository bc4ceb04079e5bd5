"""Guard rails: plain functions that look at one resource before it is made, in every way of running.

catalogue  the controls
rules      the rules, each tied to a control of the catalogue
guard      runs them on every resource of a program, at preview and at apply
"""
