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

// Back closes an open dialog and stays on the page.
document.addEventListener("DOMContentLoaded", () => {
  const modal = document.getElementById("modal");
  if (!modal) return;
  if (history.state?.dialog) history.replaceState(null, "");
  new MutationObserver(() => {
    if (modal.open && !history.state?.dialog) history.pushState({ dialog: true }, "");
    if (!modal.open && history.state?.dialog) history.back();
  }).observe(modal, { attributeFilter: ["open"] });
  addEventListener("popstate", () => {
    if (modal.open && !history.state?.dialog) modal.close();
  });
});

const openForm = () => document.querySelector("#modal[open] .dialog form");

const alertIn = (place, text, link) => {
  const box = document.createElement("p");
  box.className = "refused";
  box.role = "alert";
  box.textContent = text;
  if (link) box.append(" ", link);
  place?.parentElement.querySelector(":scope > .refused")?.remove();
  place?.after(box);
};

// A form that was opened before one signed in again carries a token of then; what was typed stays.
const renewToken = async () => {
  const form = openForm();
  if (!form) return;
  const answer = await fetch(form.action, { credentials: "same-origin" });
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(`#dialog [name="csrfmiddlewaretoken"]`);
  if (fresh) form.querySelector(`[name="csrfmiddlewaretoken"]`).value = fresh.value;
};

// Signed out meanwhile: the sign-in page is a page, not a dialog. What was typed into a dialog waits for it.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (!new URL(event.detail.xhr.responseURL || location.href).pathname.endsWith("/login/")) return;
  event.detail.shouldSwap = false;
  const form = openForm();
  if (!form) {
    location.reload();
    return;
  }
  const link = document.createElement("a");
  link.className = "to";
  link.href = "/admin/";
  link.target = "_blank";
  link.textContent = "Sign in in another tab";
  alertIn(form.querySelector("header"), "You have been signed out; nothing was done. What you typed stays here: sign in, come back and send it again.", link);
  addEventListener("focus", renewToken, { once: true });
});

// A dialog that cannot be fetched says so instead of doing nothing.
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  const form = openForm();
  if (status === 403) renewToken();
  const stale = form ? "Not allowed, or the dialog was too old: send it once more." : "Not allowed, or the page is too old: reload it.";
  const text = status === 403 ? stale : `The server answered ${status}. Try again.`;
  alertIn(form?.querySelector("header") ?? document.querySelector("#content"), text);
});
