"""Refusals, with the codes of docs/ERRORS.md."""


class Refused(Exception):
    """The payload breaks a rule of the format, or is not for this model."""

    def __init__(self, code, rule):
        super().__init__(f"{code}: {rule}")


def require(condition, rule, code="corrupt-payload"):
    if not condition:
        raise Refused(code, rule)


def require_limit(condition, rule):
    require(condition, rule, "limit-exceeded")
