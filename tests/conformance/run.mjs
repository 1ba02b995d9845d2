// SPDX-License-Identifier: BSD-2-Clause
//
// Runs http-cache-tests through a proxy and prints what became of each test, as JSON.
//
//   node run.mjs SUITE PROXY_PORT ORIGIN_PORT [TEST-ID]
//
// The suite speaks to a base URL, as to a gateway; here its client sends absolute-form requests for
// the origin to the proxy instead. Left out: what is for browsers, and Surrogate-Control.
import http from 'node:http'
import path from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

const [suite, proxyPort, originPort, only] = process.argv.slice(2)
const load = name => import(pathToFileURL(path.join(suite, name)).href)
const fetch = createRequire(path.resolve(suite, 'cli.mjs'))('node-fetch')
const { runTests, getResults } = await load('client/runner.mjs')
const sets = (await load('tests/index.mjs')).default

class ThroughProxy extends http.Agent {
  addRequest (request, options) {
    request.path = `http://${options.host}:${options.port}${request.path}`
    super.addRequest(request, { ...options, host: '127.0.0.1', port: Number(proxyPort) })
  }
}
const agent = new ThroughProxy()
const throughProxy = (url, init) => fetch(url, { ...init, agent })

const log = console.log
console.log = (...words) => console.error(...words)
const chosen = sets.map(set => ({ ...set, tests: set.tests.filter(t => !only || t.id === only) }))
if (only) chosen.forEach(set => set.tests.forEach(t => { t.dump = true }))
await runTests(chosen, throughProxy, false, `http://127.0.0.1:${originPort}`)

// As the suite's own lib/display.mjs, which needs a browser, judges.
const results = getResults()
const tests = new Map(sets.flatMap(set => set.tests.map(t => [t.id, t])))
function judge (id) {
  const result = results[id]
  if (result === undefined) return 'untested'
  for (const d of (only ? [] : tests.get(id).depends_on) || []) {
    if (judge(d) !== 'pass') return 'dependency'
  }
  if (result === true) return 'pass'
  if (result[0] === 'Setup') return result[1] === 'retry' ? 'retry' : 'setup'
  return result[0] === 'Assertion' ? 'fail' : 'harness'
}
log(JSON.stringify(Object.keys(results).map(id => ({
  id,
  kind: tests.get(id).kind || 'required',
  name: tests.get(id).name,
  result: judge(id),
  detail: Array.isArray(results[id]) ? results[id][1] : ''
}))))
