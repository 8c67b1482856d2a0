// The page works without this file. It keeps live parts quiet while they are used, and says when the numbers are old.
"use strict";
(function () {
  function isUsed(part) {
    if (document.hidden || part.contains(document.activeElement)) return true;
    if (part.querySelector("details[open]")) return true;
    const selection = document.getSelection();
    return Boolean(selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  }
  function showOffline(isOffline) {
    const notice = document.getElementById("offline");
    if (notice) notice.hidden = !isOffline;
  }
  const current = document.querySelector(".bar [aria-current]");
  if (current) current.scrollIntoView({ block: "nearest", inline: "center" });
  document.addEventListener("htmx:beforeRequest", function (event) {
    const part = event.detail.elt;
    if (part.hasAttribute("data-live") && isUsed(part)) event.preventDefault();
  });
  document.addEventListener("htmx:afterRequest", function (event) {
    showOffline(!event.detail.successful);
  });
  document.addEventListener("change", function (event) {
    const box = event.target;
    if (!(box instanceof HTMLInputElement) || !box.hasAttribute("data-all")) return;
    for (const each of box.form.querySelectorAll('input[name="' + box.dataset.all + '"]')) each.checked = box.checked;
  });
})();
