// The dashboard's one script. Pages are whole without it; with it they follow
// what happens: it fetches the page's main part again and again, at once when
// an event comes, and says when the node cannot be reached.
"use strict";
(() => {
  const every = 2000, patience = 6000, quiet = 10000; // milliseconds
  const stamp = document.body.dataset.stamp;
  const link = document.getElementById("link");
  const lost = document.getElementById("lost");
  const announce = document.getElementById("announce");
  let seen = Date.now(); // when the node last answered
  let told = 0;          // when the headline was last read out
  let skew = 0;          // of its clock to ours
  let etag = "", timer = 0, busy = false, again = false, events = null;

  // age writes seconds in the words that the server uses.
  const age = (s) => {
    s = Math.max(0, Math.round(s));
    if (s < 120) return s + "s";
    if (s < 3600) return Math.floor(s / 60) + "m";
    if (s < 172800) return Math.floor(s / 3600) + "h" + String(Math.floor(s / 60) % 60).padStart(2, "0") + "m";
    return Math.floor(s / 86400) + "d";
  };

  // morph makes node what want is, and leaves alone what is alike already: the
  // focus, what a person opened and what they typed stay.
  const morph = (node, want) => {
    if (node.nodeType !== want.nodeType || node.nodeName !== want.nodeName || node.id !== want.id) {
      node.replaceWith(want);
      return;
    }
    if (node.nodeType !== Node.ELEMENT_NODE) {
      if (node.nodeValue !== want.nodeValue) node.nodeValue = want.nodeValue;
      return;
    }
    for (const a of [...node.attributes]) {
      if (!want.hasAttribute(a.name) && !(node.nodeName === "DETAILS" && a.name === "open")) node.removeAttribute(a.name);
    }
    for (const a of want.attributes) {
      if (node.getAttribute(a.name) !== a.value) node.setAttribute(a.name, a.value);
    }
    if (node.nodeName === "INPUT" || node.nodeName === "SELECT" || node.nodeName === "TEXTAREA") return;
    const named = new Map();
    for (const c of node.children) if (c.id) named.set(c.id, c);
    let at = node.firstChild;
    for (const next of [...want.childNodes]) {
      const same = next.id && named.get(next.id);
      if (same && same !== at) node.insertBefore(same, at);
      const here = same || at;
      if (!here) {
        node.appendChild(next);
        continue;
      }
      if (!same && here.id && here.id !== next.id) {
        node.insertBefore(next, here);
        continue;
      }
      at = here.nextSibling;
      morph(here, next);
    }
    while (at) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
  };

  // tick counts ages and what is left, and says how old the page is.
  const tick = () => {
    const now = Date.now() + skew;
    for (const t of document.querySelectorAll("time[data-since]")) set(t, age((now - Date.parse(t.dataset.since)) / 1000));
    for (const t of document.querySelectorAll("time[data-until]")) set(t, age((Date.parse(t.dataset.until) - now) / 1000));
    if (!link) return;
    const late = Date.now() - seen, gone = late > patience;
    document.body.classList.toggle("is-lost", gone);
    link.classList.toggle("on", !gone);
    set(link, gone ? "not connected" : "live");
    if (gone) {
      const text = "The node does not answer. What you see is old: last seen " + age(late / 1000) + " ago.";
      if (lost.hidden) announce.textContent = "The node does not answer.";
      lost.hidden = false;
      set(lost, text);
    } else if (!lost.hidden) {
      lost.hidden = true;
      announce.textContent = "Connected again.";
    }
  };
  const set = (node, text) => { if (node.textContent !== text) node.textContent = text; };

  // take puts a fresh main part in place of the one that is shown.
  const take = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("main");
    const main = document.getElementById("main");
    if (!fresh || !main) return;
    skew = Date.parse(fresh.dataset.at) - Date.now();
    const was = main.dataset.level, is = fresh.dataset.level, said = main.dataset.said, says = fresh.dataset.said;
    morph(main, fresh);
    if (was !== is || (said !== says && Date.now() - told > quiet)) {
      told = Date.now();
      announce.textContent = says;
    }
    if (was !== is) {
      const icon = document.getElementById("icon");
      document.title = (is === "good" ? "" : "! ") + document.title.replace(/^! /, "");
      if (icon) icon.href = "/static/" + is + ".svg?v=" + stamp;
    }
  };

  // refresh fetches the main part once.
  const refresh = async () => {
    if (busy) { again = true; return; }
    busy = true;
    clearTimeout(timer);
    try {
      const to = new URL(location.href);
      to.searchParams.delete("done");
      const headers = { "X-Live": "1" };
      if (etag) headers["If-None-Match"] = etag;
      const answer = await fetch(to, { headers, cache: "no-store", credentials: "same-origin", redirect: "error", signal: AbortSignal.timeout(patience) });
      if (answer.status === 401) {
        location.href = "/login?next=" + encodeURIComponent(location.pathname + location.search);
        return;
      }
      if (answer.ok || answer.status === 304 || answer.status === 404) seen = Date.now();
      if (answer.ok) {
        if (answer.headers.get("X-Stamp") !== stamp) { location.reload(); return; } // another version of the program
        etag = answer.headers.get("ETag") || "";
        take(await answer.text());
      }
    } catch (wrong) {
      // The node cannot be reached: tick says so when it lasts.
    } finally {
      busy = false;
    }
    tick();
    if (again) { again = false; refresh(); return; }
    if (!document.hidden) timer = setTimeout(refresh, every);
  };

  // listen has events bring the next look at once.
  const listen = () => {
    if (events || !document.body.dataset.events) return;
    events = new EventSource(document.body.dataset.events);
    let soon = 0;
    const hurry = () => { clearTimeout(soon); soon = setTimeout(refresh, 60); };
    events.onmessage = hurry;
    for (const kind of ["transition", "override", "drill", "reload", "transfer", "push", "alarm"]) events.addEventListener(kind, hurry);
  };

  // Searching needs no button.
  const filter = document.querySelector("form.filter[role=search]");
  if (filter) {
    let soon = 0;
    filter.addEventListener("input", () => {
      clearTimeout(soon);
      soon = setTimeout(() => {
        const q = new URLSearchParams(new FormData(filter));
        for (const [k, v] of [...q]) if (!v) q.delete(k);
        history.replaceState(null, "", filter.action.split("?")[0] + (q.size ? "?" + q : ""));
        etag = "";
        refresh();
      }, 200);
    });
  }

  setInterval(tick, 1000);
  if (document.body.hasAttribute("data-live")) {
    const main = document.getElementById("main");
    skew = Date.parse(main.dataset.at) - Date.now();
    tick();
    listen();
    timer = setTimeout(refresh, every);
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        clearTimeout(timer);
        if (events) { events.close(); events = null; }
        return;
      }
      listen();
      refresh();
    });
    addEventListener("online", refresh);
  }
})();
