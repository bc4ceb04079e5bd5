"""Pure planners: from an environment to everything that the stacks compose. No engine, no cloud, no clock, no file.

from landing_zone.planners.ledgerfile import load_ledger, save_ledger
environment = landing_zone.model.load(Path("environments/lab.yaml"))
plan = landing_zone.planners.plan(environment, load_ledger(Path("environments/lab.yaml")))
plan.regions["north"].network.routers[0].name  # "lab-platform-hub"
"""

from landing_zone.planners.build import plan

__all__ = ["plan"]
