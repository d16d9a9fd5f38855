"""How a page looks, measured: each station of a journey in light and dark, in a wide window and in a narrow one.

A journey is walked once. Where somebody stops to read or to press something, `well_seen` turns the page through all
four looks and measures it in each, which takes a tenth of the time of walking there again: so every role's pages are
seen in every look, and none of its journeys is walked four times. What a browser says in its console fails the test by
itself (`troubles`); a violation of the content security policy is said there, too.
"""

from itertools import product
from typing import Any

WIDTHS = (1440, 900)
HEIGHT = 900
MOST_TABS = 200
LEAST_CONTRAST, LEAST_OF_LARGE = 4.5, 3  # WCAG 2.2, 1.4.3

MEASURE = r"""
([least, leastOfLarge]) => {
  const faults = [], root = document.documentElement;
  for (const one of document.getAnimations()) try { one.finish(); } catch { one.cancel(); }

  const over = root.scrollWidth - root.clientWidth;
  if (over > 0) faults.push(`the page is ${over} px too wide`);

  const named = (element) => `${element.localName} "${element.textContent.trim().replace(/\s+/g, " ").slice(0, 40)}"`;
  const dialog = document.querySelector("#modal[open]");
  const buttons = dialog
    ? dialog.querySelectorAll("footer .button")
    : document.querySelectorAll(".actions a, .button.main");
  for (const button of buttons) {
    if (!button.checkVisibility()) continue;
    button.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
    const box = button.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
    if (box.left < 0 || box.right > innerWidth || box.top < 0 || box.bottom > innerHeight)
      faults.push(`${named(button)} is not in the window`);
    else if (!button.contains(document.elementFromPoint(x, y))) faults.push(`${named(button)} is covered`);
  }

  // Colours as the screen has them: stylesheets say them in several notations.
  const dot = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true }), known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      dot.clearRect(0, 0, 1, 1);
      dot.fillStyle = colour;
      dot.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = dot.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const on = ([r, g, b, a], under) => [r, g, b].map((part, i) => part * a + under[i] * (1 - a)).concat(1);
  const papers = new Map();
  const paper = (element) => {
    if (element === null) return [255, 255, 255, 1];
    if (!papers.has(element)) {
      const own = rgba(getComputedStyle(element).backgroundColor);
      papers.set(element, own[3] === 1 ? own : on(own, paper(element.parentElement)));
    }
    return papers.get(element);
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => ((v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const texts = document.createTreeWalker(dialog ?? document.body, NodeFilter.SHOW_TEXT), pale = new Set();
  const SKIPPED = "[aria-hidden=true], .material-symbols-outlined, [disabled], select, noscript";
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element || element.closest(SKIPPED)) continue;
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const style = getComputedStyle(element), under = paper(element), ink = on(rgba(style.color), under);
    const [high, low] = [light(ink), light(under)].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < (large ? leastOfLarge : least)) pale.add(`${named(element)} has a contrast of ${ratio.toFixed(1)}`);
  }
  return [...faults, ...pale];
}
"""


def faults(page: Any) -> list[str]:
    """What is wrong with the page, or its open dialog, as it is now shown."""
    return list(page.evaluate(MEASURE, [LEAST_CONTRAST, LEAST_OF_LARGE]))


def well_seen(page: Any) -> None:
    """Nothing is wrong with it in any look. The page is left as it was."""
    page.wait_for_load_state()
    size, wears_dark = page.viewport_size, page.evaluate("document.documentElement.classList.contains('dark')")
    scroll = page.evaluate("scrollY")
    found = {}
    for width, dark in product(WIDTHS, (False, True)):
        page.set_viewport_size({"width": width, "height": HEIGHT})
        wear(page, dark)
        if wrong := faults(page):
            found[f"{'dark' if dark else 'light'}, {width} px"] = wrong
    page.set_viewport_size(size)
    wear(page, wears_dark)
    page.evaluate("y => scrollTo(0, y)", scroll)
    assert not found, (page.url, found)


def reach(page: Any, wanted: Any) -> None:
    """With the Tab key alone, as somebody without a mouse; on a page or, where one is open, in a dialog."""
    wanted.wait_for()
    for _ in range(MOST_TABS):
        if wanted.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached with the keyboard")


def wear(page: Any, dark: bool) -> None:
    """As the switch of the theme does it (Unfold asks the system's only while a page is being loaded)."""
    page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", dark)
