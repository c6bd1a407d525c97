"""Prints a line for each check, as the Test Anything Protocol has it: "ok NAME" or "not ok NAME", at the end "1..N"."""

import inspect
import traceback

_done = 0


def _print(name, error):
    global _done
    _done += 1
    print(f"{'ok' if error is None else 'not ok'} {name}", flush=True)
    if error is not None:
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        said = [line for part in lines for line in part.splitlines()]
        for line in said[-10:]:
            print(f"# {line}")


def check(name):
    """Runs the function below it as a check. What it raises makes it fail, and the checks behind it run all the same."""

    def run(function):
        try:
            function()
        except Exception as error:  # noqa: BLE001
            _print(name, error)
        else:
            _print(name, None)
        return function

    return run


async def awaited(name, function):
    """Awaits a check."""
    try:
        result = function()
        if inspect.isawaitable(result):
            await result
    except Exception as error:  # noqa: BLE001
        _print(name, error)
    else:
        _print(name, None)


def end():
    """Ends the program's lines."""
    print(f"1..{_done}")


def equal(got, want):
    if got != want:
        raise AssertionError(f"got {got!r}, want {want!r}")


def refused(kind, call, *args, **kwargs):
    """Calls what must be refused, and returns the exception."""
    try:
        taken = call(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"it was taken: {taken!r}")


def patient(family, **more):
    """A patient that nobody else has."""
    return {
        "resourceType": "Patient",
        "identifier": [{"system": "http://example.org/patients", "value": family}],
        "active": True,
        "name": [{"family": family, "given": ["Ada"]}],
        **more,
    }


def observation(subject, weight):
    """A valid observation of a body weight in kg."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7", "display": "Body weight"}]},
        "subject": {"reference": subject},
        "effectiveDateTime": "2026-11-30",
        "performer": [{"reference": subject}],
        "valueQuantity": {"value": weight, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    }
