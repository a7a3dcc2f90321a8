// A request with the header `x-pool: NAME` goes to that pool, if it is one of the route's; any other to the route's own.
import request from "trimtab:plugin/request@0.1.0";

let names = []; // of the pools, by position

export const router = {
  configure(settings, instance, pools) {
    names = pools;
    return { keys: [], observe: false, tickMs: 0, options: [] };
  },

  route(moment) {
    const wanted = request.header("x-pool");
    const position = wanted === null ? -1 : names.indexOf(wanted);
    return position < 0 ? { tag: "pass" } : { tag: "pool", val: position };
  },
};
