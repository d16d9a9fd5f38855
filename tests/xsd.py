"""Enough of XML Schema to hold ISO 20022 messages against their schemas: sequences, choices, how often, attributes, and
what a text may be. The schemas use nothing else, but for `any`, which we never send.
"""

import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

XS = "{http://www.w3.org/2001/XMLSchema}"
DATE_TIME = re.compile(r"-?[0-9]{4,}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?")
BASES = {
    "xs:decimal": re.compile(r"[+-]?[0-9]*\.?[0-9]+"), "xs:boolean": re.compile("true|false|0|1"),
    "xs:date": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), "xs:dateTime": DATE_TIME,
}  # fmt: skip


class Schema:
    def __init__(self, path: Path) -> None:
        root = ElementTree.parse(path).getroot()
        self.namespace = "{" + root.attrib["targetNamespace"] + "}"
        self.types = {one.attrib["name"]: one for one in root if one.tag.endswith("Type")}
        self.roots = {one.attrib["name"]: one for one in root if one.tag == f"{XS}element"}

    def faults(self, document: bytes) -> list[str]:
        """What is wrong with it, each with the way to it; none: it is valid."""
        root = ElementTree.fromstring(document)
        name = root.tag.removeprefix(self.namespace)
        return self.of_type(root, self.roots[name].attrib["type"], name) if name in self.roots else [f"no {root.tag}"]

    def of_type(self, element: Any, kind: str, way: str) -> list[str]:
        found = self.types.get(kind)
        if found is None or found.tag == f"{XS}simpleType":
            return self.of_text(element.text or "", kind, way) + [f"{way}: {name}?" for name in element.attrib]
        if (simple := found.find(f"{XS}simpleContent/{XS}extension")) is not None:
            given = dict(element.attrib)
            faults = []
            for attribute in simple:
                value = given.pop(attribute.attrib["name"], None)
                if value is not None:
                    faults += self.of_text(value, attribute.attrib["type"], way)
                elif attribute.get("use") == "required":
                    faults.append(f"{way}: no {attribute.attrib['name']}")
            return (
                faults + self.of_text(element.text or "", simple.attrib["base"], way) + [f"{way}: {n}?" for n in given]
            )
        children = list(element)
        faults, taken = self.of_particle(children, 0, found[0], way)
        return faults + [f"{way}: {one.tag} is out of place" for one in children[taken : taken + 1]]

    def of_particle(self, children: list[Any], at: int, particle: Any, way: str) -> tuple[list[str], int]:
        """One sequence or choice of elements, from child ``at`` on; what is wrong, and where it ends."""
        faults: list[str] = []
        met = 0
        for allowed in particle:
            name, most = allowed.attrib["name"], allowed.get("maxOccurs", "1")
            count = 0
            while (
                at < len(children)
                and children[at].tag == self.namespace + name
                and (most == "unbounded" or count < int(most))
            ):
                faults += self.of_type(children[at], allowed.attrib["type"], f"{way}/{name}")
                at, count = at + 1, count + 1
            met += count > 0
            if particle.tag == f"{XS}sequence" and count < int(allowed.get("minOccurs", "1")):
                faults.append(f"{way}: no {name}")
        if particle.tag == f"{XS}choice" and met != 1:
            faults.append(f"{way}: {met} of a choice")
        return faults, at

    def of_text(self, text: str, kind: str, way: str) -> list[str]:
        if kind.startswith("xs:"):
            return [] if kind not in BASES or BASES[kind].fullmatch(text) else [f"{way}: {text!r} is no {kind}"]
        restriction = self.types[kind][0]
        faults = self.of_text(text, restriction.attrib["base"], way)
        values = [one.attrib["value"] for one in restriction if one.tag == f"{XS}enumeration"]
        if values and text not in values:
            faults.append(f"{way}: {text!r} is none of {len(values)}")
        for facet in restriction:
            name, value = facet.tag.removeprefix(XS), facet.attrib["value"]
            if name != "enumeration" and not holds(name, value, text):
                faults.append(f"{way}: {text!r} against {name} {value}")
        return faults


def holds(facet: str, value: str, text: str) -> bool:
    match facet:
        case "pattern":
            return re.fullmatch(value, text) is not None
        case "minLength":
            return len(text) >= int(value)
        case "maxLength":
            return len(text) <= int(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return False
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    match facet:
        case "fractionDigits":
            return -exponent <= int(value)
        case "totalDigits":
            return len(digits) <= int(value)
        case "minInclusive":
            return number >= Decimal(value)
    raise AssertionError(f"a facet that this reader does not know: {facet}")
