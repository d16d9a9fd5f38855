// The little that staff pages need on top of Unfold: keys, copying, the reader's own time, closing dialogs.
"use strict";

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    const box = document.getElementById("finder");
    box?.focus();
    box?.select();
  }
});

document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    navigator.clipboard?.writeText(copy.dataset.copy);
    copy.classList.add("copied");
    setTimeout(() => copy.classList.remove("copied"), 1200);
  }
  const close = event.target.closest("[data-close]");
  const modal = document.getElementById("modal");
  if (close && modal?.contains(close)) {
    event.preventDefault();
    modal.close();
  }
});

// Unfold looks beside each file for a field of its own widget and fails without; ours is the browser's.
document.addEventListener(
  "change",
  (event) => {
    if (event.target.matches(".dialog input[type=file]")) event.stopPropagation();
  },
  true,
);

// A reader hears local times on the phone; pages show UTC and tell the local one on hover.
const tellLocalTimes = (root) => {
  for (const time of root.querySelectorAll("time[datetime]:not([title])")) {
    const local = new Date(time.dateTime);
    if (!Number.isNaN(local.valueOf())) time.title = `${local.toLocaleString()} (your time)`;
  }
};

document.addEventListener("DOMContentLoaded", () => {
  tellLocalTimes(document);
  document.body.addEventListener("htmx:afterSettle", (event) => {
    tellLocalTimes(event.target);
    const modal = document.getElementById("modal");
    if (modal?.contains(event.target)) {
      // What changed comes first: a refusal, a wrong field, a preview; else the first field.
      const places = [".refused", ".wrong :is(input, textarea, select)", ".preview", "[autofocus]"];
      const place = places.map((selector) => modal.querySelector(selector)).find(Boolean);
      if (place?.matches(".refused, .preview")) place.tabIndex = -1;
      place?.focus();
    }
  });
  for (const select of document.querySelectorAll("select[data-submit]")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }
});

// What was revealed is masked again when its time is over: the page asks for itself anew, but not from under a dialog.
document.addEventListener("DOMContentLoaded", () => {
  const revealed = document.querySelector("[data-masked-from]");
  if (!revealed) return;
  const over = new Date(revealed.dataset.maskedFrom);
  const look = setInterval(() => {
    if (Date.now() < over || document.querySelector("#modal[open]")) return;
    clearInterval(look);
    location.reload();
  }, 1000);
});

// Signed out meanwhile: the sign-in page is a page, not a dialog.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (new URL(event.detail.xhr.responseURL || location.href).pathname.endsWith("/login/")) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});

// A dialog that cannot be fetched says so instead of doing nothing.
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  const text = status === 403 ? "Not allowed, or the page is too old: reload it." : `The server answered ${status}. Try again.`;
  const place = document.querySelector("#modal[open] .dialog form > header") ?? document.querySelector("#content");
  const box = document.createElement("p");
  box.className = "refused";
  box.role = "alert";
  box.textContent = text;
  place?.after(box);
});
