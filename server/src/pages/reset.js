"use strict";
// The code need not stay in the address bar or in the history.
if (location.search) history.replaceState(null, "", location.pathname);
const copy = document.getElementById("copy");
const command = document.getElementById("command");
const said = document.getElementById("said");
if (copy && command && said) {
  const select = () => getSelection().selectAllChildren(command);
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(command.textContent);
      said.textContent = "Copied.";
    } catch {
      select();
      said.textContent = "Selected: copy it by hand.";
    }
  });
}
