// Small comforts; every page reads and posts without them.
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");

  // The server writes times in the reader's zone once it knows it.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && !document.cookie.includes(`zone=${encodeURIComponent(zone)}`)) {
    document.cookie = `zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax`;
  }

  const announce = (text) => {
    const place = document.getElementById("said");
    if (place) place.textContent = text;
  };

  const copied = (button) => {
    const use = button.querySelector("use");
    const before = use.getAttribute("href");
    use.setAttribute("href", before.replace(/#.*/, "#check"));
    button.classList.add("done");
    announce(root.dataset.copied);
    setTimeout(() => { use.setAttribute("href", before); button.classList.remove("done"); }, 1600);
  };

  const copy = async (button) => {
    const source = button.dataset.copyFrom ? document.getElementById(button.dataset.copyFrom).textContent : button.dataset.copy;
    try {
      await navigator.clipboard.writeText(source);
    } catch {
      const area = document.createElement("textarea"); // without https the clipboard interface is absent
      area.value = source;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
      button.focus();
    }
    copied(button);
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy], [data-copy-from]");
    if (button) { event.preventDefault(); copy(button); return; }
    if (event.target.closest("[data-help]")) { event.preventDefault(); help.showModal(); return; }
    if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  });

  const help = document.getElementById("help");
  if (help) help.addEventListener("click", (event) => { if (event.target === help) help.close(); });

  const goes = { h: "/", m: "/messages", d: "/domains", r: "/reports", q: "/queue", u: "/suppressions", k: "/keys", s: "/settings", t: "/send" };
  let went = 0;
  const rows = () => [...document.querySelectorAll(".rows a.row")];
  const step = (by) => {
    const all = rows();
    const next = all[Math.min(all.length - 1, Math.max(0, all.indexOf(document.activeElement) + by))];
    if (next) next.focus();
  };
  const keys = document.getElementById("keys-on");
  const off = () => localStorage.getItem("posthouse.keys") === "off";
  if (keys) {
    keys.checked = !off();
    keys.addEventListener("change", () => localStorage.setItem("posthouse.keys", keys.checked ? "on" : "off"));
  }
  document.addEventListener("keydown", (event) => {
    if (off() || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, dialog") && event.key !== "Escape") return;
    if (event.key === "Escape" && event.target.matches("input[type=search]")) { event.target.blur(); return; }
    if (Date.now() - went < 1200 && goes[event.key]) { location.assign(goes[event.key]); return; }
    if (event.key === "/") {
      const box = document.querySelector("input[type=search]");
      if (box) { event.preventDefault(); box.focus(); box.select(); }
    } else if (event.key === "?" && help) { event.preventDefault(); help.showModal(); }
    else if (event.key === "g") went = Date.now();
    else if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
  });

  // A hidden tab asks for nothing; a refresh keeps what the reader opened.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const polled = event.detail.requestConfig?.triggeringEvent === undefined && event.target.matches("[data-live]");
    if (polled && document.hidden) event.preventDefault();
  });
  document.addEventListener("htmx:sendError", (event) => { if (event.target.matches("[data-live]")) announce(root.dataset.offline); });
  if (window.Idiomorph) {
    Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !(name === "open" && node.nodeName === "DETAILS");
  }

  const summary = document.querySelector("[data-focus]");
  if (summary) summary.focus();
})();
