// Passkeys: a button with data-passkey asks the device and puts its answer, as JSON, into the form around it.
"use strict";

const fromText = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
const toText = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const read = (text) => {
  const options = JSON.parse(text);
  options.challenge = fromText(options.challenge);
  if (options.user) options.user.id = fromText(options.user.id);
  for (const name of ["excludeCredentials", "allowCredentials"]) {
    for (const one of options[name] ?? []) one.id = fromText(one.id);
  }
  return options;
};

const write = (credential) => {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = toText(credential.response[name]);
  }
  const { id, type } = credential;
  return JSON.stringify({ id, rawId: toText(credential.rawId), type, response, clientExtensionResults: {} });
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-passkey]");
  if (!button) return;
  const said = button.closest("form").querySelector(".passkey-said");
  if (!window.PublicKeyCredential) {
    said.textContent = "This browser knows no passkeys, or the address is not a secure one.";
    return;
  }
  said.textContent = "Look at your device.";
  try {
    const publicKey = read(button.dataset.options);
    const credential = await navigator.credentials[button.dataset.passkey]({ publicKey });
    button.form.elements.proof_passkey.value = write(credential);
  } catch (problem) {
    said.textContent =
      problem.name === "InvalidStateError" ? "This device has a passkey already." : "It did not work, or was cancelled. Try again.";
    return;
  }
  said.textContent = "Your passkey was taken.";
  if (button.dataset.then === "submit") button.form.requestSubmit();
});
