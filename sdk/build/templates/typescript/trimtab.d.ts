// The contract in TypeScript, as componentize-qjs passes it: what wit/ says, with these types.
//
// u64 and s64 are numbers, exact to 2^53: `random / 2 ** 64` is a fraction from 0 to 1, both included. `option` is null
// where there is none. A `result` is what the function answers, or what it throws.

declare module "trimtab:plugin/types@0.1.0" {
  /** Position of a backend in the table last given to `update`, counted from 0. */
  export type Index = number;
  export type Readiness = "ready" | "draining" | "down";
  export interface Backend {
    id: string;
    address: string;
    weight: number;
    readiness: Readiness;
    labels: [string, string][];
  }
  export interface Instance {
    pool: string;
    worker: number;
    workers: number;
    generation: number;
  }
  export interface Plan {
    keys: string[];
    observe: boolean;
    tickMs: number;
    options: [string, string][];
  }
  export interface Moment {
    key: number | null;
    random: number;
    nowUs: number;
    attempt: number;
  }
  export type Verdict = { tag: "backend"; val: Index } | { tag: "pass" } | { tag: "refuse"; val: number };
  export type OutcomeKind =
    | "success"
    | "client-error"
    | "server-error"
    | "connect-error"
    | "reset"
    | "timeout"
    | "cancelled";
  export interface Outcome {
    backend: Index;
    kind: OutcomeKind;
    status: number;
    latencyUs: number;
    attempt: number;
    key: number | null;
    atUs: number;
  }
}

declare module "trimtab:plugin/request@0.1.0" {
  import type { Index } from "trimtab:plugin/types@0.1.0";
  const request: {
    protocol(): string;
    listener(): string;
    clientAddress(): string;
    clientPort(): number;
    host(): string;
    method(): string;
    path(): string;
    query(): string;
    header(name: string): string | null;
    headers(name: string): string[];
    cookie(name: string): string | null;
    sni(): string | null;
    alpn(): string | null;
    keyBytes(): Uint8Array | null;
    tried(backend: Index): boolean;
  };
  export default request;
}

declare module "trimtab:plugin/response@0.1.0" {
  const response: {
    status(): number;
    header(name: string): string | null;
    headers(name: string): string[];
    setCookie(name: string): string | null;
  };
  export default response;
}

declare module "trimtab:plugin/load@0.1.0" {
  import type { Index } from "trimtab:plugin/types@0.1.0";
  const load: {
    inFlight(backend: Index): number;
    inFlightAll(): number[];
    inFlightTotal(): number;
    latencyUs(backend: Index): number | null;
    failures(backend: Index): number;
    metric(backend: Index, name: string): number | null;
    turn(): number;
  };
  export default load;
}

declare module "trimtab:plugin/pools@0.1.0" {
  const pools: {
    ready(pool: number): number;
    inFlight(pool: number): number;
  };
  export default pools;
}

declare module "trimtab:plugin/table@0.1.0" {
  const table: {
    get(key: Uint8Array): Uint8Array | null;
    put(key: Uint8Array, value: Uint8Array, ttlMs: number): boolean;
    putNew(key: Uint8Array, value: Uint8Array, ttlMs: number): Uint8Array;
    add(key: Uint8Array, delta: number, ttlMs: number): number;
    remove(key: Uint8Array): void;
  };
  export default table;
}

declare module "trimtab:plugin/log@0.1.0" {
  export type Level = "error" | "warn" | "info" | "debug" | "trace";
  const log: {
    log(level: Level, message: string): void;
  };
  export default log;
}

declare module "trimtab:plugin/balancer@0.1.0" {
  import type { Backend, Instance, Moment, Plan, Readiness, Verdict } from "trimtab:plugin/types@0.1.0";
  export interface Balancer {
    configure(settings: string, instance: Instance): Plan;
    update(backends: Backend[]): void;
    adjust(weights: number[], readiness: Readiness[]): void;
    pick(moment: Moment): Verdict;
  }
}

declare module "trimtab:plugin/affinity@0.1.0" {
  import type { Backend, Index, Instance, Moment, Plan, Readiness, Verdict } from "trimtab:plugin/types@0.1.0";
  export interface Affinity {
    configure(settings: string, instance: Instance): Plan;
    update(backends: Backend[]): void;
    adjust(weights: number[], readiness: Readiness[]): void;
    find(moment: Moment): Verdict;
    bind(moment: Moment, backend: Index, found: Index | null): [string, string][];
  }
}

declare module "trimtab:plugin/router@0.1.0" {
  import type { Instance, Moment, Plan } from "trimtab:plugin/types@0.1.0";
  export type Destination = { tag: "pool"; val: number } | { tag: "pass" } | { tag: "refuse"; val: number };
  export interface Router {
    configure(settings: string, instance: Instance, pools: string[]): Plan;
    route(moment: Moment): Destination;
  }
}

declare module "trimtab:plugin/shaper@0.1.0" {
  import type { Backend, Instance } from "trimtab:plugin/types@0.1.0";
  export interface Shaper {
    configure(settings: string, instance: Instance): void;
    shape(backends: Backend[]): number[];
  }
}

declare module "trimtab:plugin/observer@0.1.0" {
  import type { Outcome } from "trimtab:plugin/types@0.1.0";
  export interface Observer {
    observe(outcomes: Outcome[]): void;
    tick(nowUs: number): void;
  }
}

declare module "trimtab:plugin/handoff@0.1.0" {
  export interface Handoff {
    save(): Uint8Array;
    restore(state: Uint8Array): void;
  }
}
