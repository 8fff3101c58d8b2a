"""Results as JUnit XML: one case for each check, as CI servers read it."""

from xml.etree import ElementTree as ET

from quality.check import Checked
from quality.results import Cell, Result, legible

_SHOWN = 20


def junit(checked: Checked) -> bytes:
    """The report.

    A check that only warns is a case that passed, with what it warns of as its output.
    """
    suites = ET.Element("testsuites", name="tallybook check")
    for group in dict.fromkeys(result.group for result in checked.results):
        cases = [result for result in checked.results if result.group == group]
        suite = ET.SubElement(
            suites,
            "testsuite",
            name=group,
            tests=str(len(cases)),
            failures=str(sum(case.status == "failed" for case in cases)),
            errors="0",
            skipped=str(sum(case.status == "skipped" for case in cases)),
            time=f"{sum(case.seconds for case in cases):.3f}",
            timestamp=checked.began_at.isoformat(timespec="seconds"),
        )
        for case in cases:
            _case(suite, case)
    ET.indent(suites)
    report: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return report


def _case(suite: ET.Element, result: Result) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=f"tallybook.{result.group}",
        name=result.name,
        time=f"{result.seconds:.3f}",
    )
    if result.status == "skipped":
        ET.SubElement(case, "skipped", message=result.note)
    elif result.status == "failed":
        failure = ET.SubElement(
            case,
            "failure",
            type="differs",
            message=f"{result.errors} of {result.compared} cells differ",
        )
        failure.text = _told(result)
    elif result.status == "warned":
        ET.SubElement(case, "system-out").text = _told(result)


def _told(result: Result) -> str:
    """The first cells; what XML can't hold is left out."""
    lines = [result.title, *map(line, result.cells[:_SHOWN])]
    text = "\n".join(lines)
    return "".join(
        letter for letter in text if letter in "\n\t" or letter.isprintable()
    )


def line(cell: Cell) -> str:
    """A cell on one line, with the SELECT of its raw rows."""
    where = " ".join(f"{name}={legible(value)}" for name, value in cell.where.items())
    by = "" if cell.difference is None else f" (difference {cell.difference:+g})"
    rows = f" | {cell.rows}" if cell.rows else ""
    return (
        f"{cell.severity}: {where} {cell.column}: expected {cell.expected}, "
        f"actual {cell.actual}{by}{rows}"
    )
