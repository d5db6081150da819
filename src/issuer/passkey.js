// Asks the browser for a passkey and sends what its authenticator says with the form of the page. It keeps nothing,
// asks no server and is not needed for anything else.
"use strict";
(() => {
  const form = document.getElementById("passkey");
  if (!form || !window.PublicKeyCredential) return;
  const said = form.querySelector("[role=alert]");
  const read = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (it) => it.charCodeAt(0));
  const written = (buffer) =>
    btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-")
      .replace(/\//g, "_")
      .replace(/=+$/, "");
  const options = JSON.parse(form.dataset.options);
  options.challenge = read(options.challenge);
  if (options.user) options.user.id = read(options.user.id);
  for (const known of options.excludeCredentials || []) known.id = read(known.id);

  const show = async () => {
    if (options.user) {
      const { rawId, response } = await navigator.credentials.create({ publicKey: options });
      return { credential: rawId, client: response.clientDataJSON, object: response.attestationObject };
    }
    const { rawId, response } = await navigator.credentials.get({ publicKey: options });
    return {
      credential: rawId,
      client: response.clientDataJSON,
      data: response.authenticatorData,
      signature: response.signature,
      person: response.userHandle || new ArrayBuffer(0),
    };
  };

  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    said.hidden = true;
    try {
      for (const [name, value] of Object.entries(await show())) form.elements[name].value = written(value);
    } catch (error) {
      said.textContent =
        error.name === "InvalidStateError"
          ? "This device has a passkey for you already."
          : "That did not work, or was cancelled. Try again, or sign in by your password.";
      said.hidden = false;
      return;
    }
    form.submit();
  });
})();
