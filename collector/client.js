/* Tallybook's reporter for browsers; docs/client-events.md says how to use it.

   report() --> queue of each sink --> batch --> fetch --> 2xx: sent
     page hides: navigator.sendBeacon, and kept in localStorage, since nobody
     tells what became of it; sent again, with the same ids, when a page is back */
(function (global) {
  "use strict";

  const BEACON = 60 * 1024; // bytes; a browser lets 64 KiB leave with a page
  const EVENT = 30 * 1024; // bytes of one event, base64 and escapes not counted
  const PREFIX = "tallybook:";

  const json = (events) => "[" + events.map((event) => event.text).join() + "]";
  const bytes = (text) => new TextEncoder().encode(text);
  const base64 = (text) => {
    let binary = "";
    for (const byte of bytes(text)) binary += String.fromCharCode(byte);
    return btoa(binary);
  };
  const form = (data) => new URLSearchParams({ data });
  const newId = () =>
    Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
      byte.toString(16).padStart(2, "0")
    ).join("");

  // Sinks over HTTP say where to post and what; any function of events is one, too.
  const beacon = (url) => ({ url, body: json });
  const spade = (url) => ({ url, body: (events) => form(base64(json(events))) });
  const flume = (url, allowed) => {
    const kept = ({ text }) => {
      const event = JSON.parse(text);
      const names = allowed[event.event];
      event.properties = Object.fromEntries(
        Object.entries(event.properties).filter(([name]) => names.includes(name))
      );
      return { text: JSON.stringify(event) };
    };
    return {
      url,
      accepts: (name) => Object.prototype.hasOwnProperty.call(allowed, name),
      body: (events) => form(json(events.map(kept))),
    };
  };
  const consoled = (events) =>
    events.forEach((event) => console.log(JSON.parse(event.text)));

  class Lane {
    constructor(sink, place, limits) {
      this.sink = sink;
      this.limits = limits;
      this.key = PREFIX + place + ":" + newId();
      this.place = PREFIX + place + ":";
      this.queue = [];
      this.batch = []; // on its way
      this.unsure = []; // left with a beacon
      this.counts = { reported: 0, sent: 0, given_up: 0, dropped: 0, unusable: 0, withheld: 0 };
      this.timer = 0;
      this.failures = 0;
    }

    put(event) {
      this.counts.reported += 1;
      if (!event) this.counts.unusable += 1;
      else if (this.sink.accepts && !this.sink.accepts(event.name)) this.counts.withheld += 1;
      else if (this.waiting() >= this.limits.capacity) this.counts.dropped += 1;
      else {
        this.queue.push(event);
        if (this.queue.length >= this.limits.batch && !this.failures) this.send();
        else this.later(this.limits.interval);
      }
    }

    waiting() {
      return this.queue.length + this.batch.length + this.unsure.length;
    }

    later(pause) {
      if (!this.timer) {
        this.timer = setTimeout(() => {
          this.timer = 0;
          this.send();
        }, pause);
      }
    }

    async send() {
      if (this.batch.length || !this.queue.length || global.navigator.onLine === false) return;
      let size = 0;
      let count = 0;
      for (const event of this.queue.slice(0, this.limits.batch)) {
        size += event.size;
        if (count && size > BEACON) break;
        count += 1;
      }
      this.batch = this.queue.splice(0, count);
      let status = 0;
      try {
        status = await this.post(this.batch, false);
      } catch (error) {} // offline, or the collector is
      const batch = this.batch;
      this.batch = [];
      if (status >= 200 && status < 300) {
        this.failures = 0;
        this.counts.sent += batch.length;
      } else if (status === 400 || status === 413 || ++this.failures >= this.limits.attempts) {
        this.failures = 0;
        this.counts.given_up += batch.length;
      } else this.queue.unshift(...batch);
      if (this.queue.length) this.later(this.pause());
    }

    async post(events, keepalive) {
      if (typeof this.sink === "function") {
        await this.sink(events);
        return 204;
      }
      const body = this.sink.body(events);
      const response = await fetch(this.sink.url, {
        ...{ method: "POST", body, keepalive },
        ...{ mode: "cors", credentials: "omit", redirect: "error" },
        signal: AbortSignal.timeout ? AbortSignal.timeout(10000) : undefined,
      });
      return response.status;
    }

    pause() {
      if (!this.failures) return this.queue.length >= this.limits.batch ? 0 : this.limits.interval;
      const longest = Math.min(30000, 500 * 2 ** this.failures);
      return longest * (0.5 + Math.random() / 2);
    }

    /* The page may be gone in a moment: everything leaves by beacon, and stays in
       storage, for a beacon doesn't say whether it arrived. */
    hide() {
      const leaving = [...this.batch, ...this.queue];
      this.unsure.push(...this.queue.splice(0));
      this.leave(leaving);
      this.store([...this.batch, ...this.unsure]);
    }

    leave(events) {
      if (!events.length || typeof this.sink === "function") return;
      const body = this.sink.body(events);
      if (bytes(String(body)).length > BEACON && events.length > 1) {
        const half = events.length >> 1;
        this.leave(events.slice(0, half));
        this.leave(events.slice(half));
      } else if (!(navigator.sendBeacon && navigator.sendBeacon(this.sink.url, body))) {
        this.post(events, true).catch(() => {});
      }
    }

    store(events) {
      try {
        if (events.length) localStorage.setItem(this.key, json(events));
        else localStorage.removeItem(this.key);
      } catch (error) {} // no storage, or it is full: the beacon must do
    }

    /* The page is there: what nobody knows of is sent once more, so are the events
       that other pages have left. Twice is once: the ids are the same. */
    show() {
      this.queue.unshift(...this.unsure.splice(0));
      this.store([]);
      try {
        for (const key of Object.keys(localStorage)) {
          if (!key.startsWith(this.place)) continue;
          const left = JSON.parse(localStorage.getItem(key));
          localStorage.removeItem(key);
          for (const event of left) this.put(written(event));
        }
      } catch (error) {} // no storage, or someone else wrote to it
      if (this.queue.length) this.later(0);
    }
  }

  function written(event) {
    const text = JSON.stringify(event);
    return { name: event.event, text, size: bytes(text).length };
  }

  class Reporter {
    /* sinks: one or more; properties: added to every event; limits: see below. */
    constructor(sinks, { properties = {}, limits = {} } = {}) {
      const all = { batch: 50, interval: 1000, capacity: 1000, attempts: 12, ...limits };
      this.properties = properties;
      this.lanes = [].concat(sinks).map(
        (sink, index) => new Lane(sink, sink.url || "sink" + index, all)
      );
      const each = (what) => () => this.lanes.forEach((lane) => lane[what]());
      addEventListener("pagehide", each("hide"));
      addEventListener("pageshow", each("show"));
      addEventListener("online", each("send"));
      document.addEventListener("visibilitychange", () =>
        each(document.visibilityState === "hidden" ? "hide" : "show")()
      );
      each("show")();
    }

    /* Never throws and never waits; what can't be sent is counted. */
    report(event, properties) {
      let made = null;
      try {
        const told = { ...this.properties, ...properties };
        if (event && typeof event === "string") {
          made = written({ id: newId(), event, at: Date.now() / 1000, properties: told });
        }
      } catch (error) {} // a circle, say
      if (made && made.size > EVENT) made = null;
      this.lanes.forEach((lane) => lane.put(made));
    }

    counts() {
      return this.lanes.map((lane) => ({ ...lane.counts, waiting: lane.waiting() }));
    }
  }

  global.Tallybook = { Reporter, beacon, spade, flume, console: consoled };
})(window);
