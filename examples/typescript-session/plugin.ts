// An affinity by session: who sends the same claim of a bearer token, or the same cookie, stays with a backend. Which one
// is remembered in the table that all workers share.
import type { Affinity } from "trimtab:plugin/affinity@0.1.0";
import request from "trimtab:plugin/request@0.1.0";
import response from "trimtab:plugin/response@0.1.0";
import table from "trimtab:plugin/table@0.1.0";
import type { Backend, Index } from "trimtab:plugin/types@0.1.0";

interface Settings {
  /** The claim of the token in `authorization: Bearer …` (a JWT). */
  claim: string;
  /** The cookie that is looked at where there is no such token. A response that sets it begins a session, too. */
  cookie: string;
  /** How long a session that is not used is remembered. */
  ttl_seconds: number;
}

const DEFAULTS: Settings = { claim: "sid", cookie: "session", ttl_seconds: 3600 };
const LONGEST = 100; // characters of a session's name, each 9 bytes of a key at most: a longer one is not remembered

let settings = DEFAULTS;
let backends: Pick<Backend, "id" | "readiness">[] = [];
let byId = new Map<string, Index>();

export const affinity: Affinity = {
  configure(text) {
    const given: Record<string, unknown> = JSON.parse(text);
    delete given["secret"]; // which every affinity gets, and this one does not need
    for (const [name, value] of Object.entries(given)) {
      if (!(name in DEFAULTS)) throw `there is no setting \`${name}\``;
      if (typeof value !== typeof DEFAULTS[name as keyof Settings]) throw `\`${name}\` is of another type`;
    }
    settings = { ...DEFAULTS, ...given };
    if (!(settings.ttl_seconds >= 1)) throw "`ttl_seconds` has to be at least 1";
    return { keys: [], observe: false, tickMs: 0, options: [] };
  },

  update(table) {
    backends = table.map(({ id, readiness }) => ({ id, readiness }));
    byId = new Map(table.map(({ id }, index) => [id, index]));
  },

  adjust(_weights, readiness) {
    readiness.forEach((now, index) => (backends[index]!.readiness = now));
  },

  find(moment) {
    const name = session();
    const index = name === undefined ? undefined : bound(name);
    return index === undefined || (moment.attempt > 0 && request.tried(index))
      ? { tag: "pass" }
      : { tag: "backend", val: index };
  },

  bind(_moment, backend, found) {
    const name = session() ?? begun();
    const id = backends[backend]?.id;
    if (name === undefined || id === undefined) return [];
    const ttl = settings.ttl_seconds * 1000;
    // Where two requests of a new session were sent apart, the first to be answered decides.
    if (found !== null || bound(name) === undefined) table.put(key(name), bytes(id), ttl);
    return [];
  },
};

// The backend that this session is bound to, unless that is gone or down.
function bound(name: string): Index | undefined {
  const value = table.get(key(name));
  const index = value === null ? undefined : byId.get(text(value));
  return index === undefined || backends[index]!.readiness === "down" ? undefined : index;
}

// What the client calls its session.
function session(): string | undefined {
  const [, payload] = /^Bearer +[\w-]+\.([\w-]+)\./i.exec(request.header("authorization") ?? "") ?? [];
  return named("token", payload && claim(payload)) ?? named("cookie", request.cookie(settings.cookie));
}

// What a response calls the session that it begins: the answer to a login, say.
function begun(): string | undefined {
  return named("cookie", response.setCookie(settings.cookie));
}

function named(kind: string, value: unknown): string | undefined {
  if ((typeof value !== "string" && typeof value !== "number") || value === "") return undefined;
  const name = `${kind}:${value}`;
  return name.length > LONGEST || /\p{Surrogate}/u.test(name) ? undefined : name;
}

// The claim of a JWT's payload. Nobody checks its signature here: it only chooses a backend, which checks it.
function claim(payload: string): unknown {
  try {
    return JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/")))?.[settings.claim];
  } catch {
    return undefined;
  }
}

const key = bytes;

// There is no TextEncoder in QuickJS.
function bytes(text: string): Uint8Array {
  return Uint8Array.from(encodeURIComponent(text), (character) => character.charCodeAt(0));
}

function text(bytes: Uint8Array): string {
  return decodeURIComponent(String.fromCharCode(...bytes));
}

declare function atob(base64: string): string;
