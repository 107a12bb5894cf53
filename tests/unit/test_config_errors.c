// SPDX-License-Identifier: MIT
#include "config_fixture.h"

#include <stdint.h>

#include "base/random.h"

// One source in line 1; what follows starts in line 2.
#define S "sources: [{path: /webhook, secrets: [{label: main, key: '${A}'}]}]\n"
// One key more of a destination that is right otherwise, all in line 2.
#define D(keys) S "destinations: [{name: a, url: 'http://h', secret: '${B}', " keys "}]\n"
// The same of a command.
#define C(keys) S "destinations: [{name: a, kind: command, run: [python3, handler.py], " keys "}]\n"
// The same of tables.
#define T(keys) S "destinations: [{name: a, kind: tables, " keys "}]\n"
// The same of a plugin.
#define Q(keys) S "destinations: [{name: a, " keys "}]\n"
#define P(keys) S "destinations: [{name: a, kind: plugin, path: two.so, " keys "}]\n"
#define M(rule) D("match: [" rule "]")
#define URL(url) S "destinations: [{name: a, secret: '${B}', url: '" url "'}]\n"
#define SOURCE(keys) "sources: [{" keys "secrets: [{label: main, key: '${A}'}]}]\n"
#define KEY(key) "sources:\n- path: /a\n  secrets:\n  - label: a\n    key: " key "\n"

#define WAITS_11 "1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s"

static const struct {
    const char *yaml;
    const char *says; // stands in the errors, which start with "t.yaml:"
} mistakes[] = {
    // The file and its syntax.
    {"", "t.yaml:1: there is nothing in it"},
    {"# only a comment\n", "t.yaml:1: there is nothing in it"},
    {"text\n", "t.yaml:1: found `text`; expected a map"},
    {"[a]\n", "found a list; expected a map"},
    {S "a: b: c\n", "t.yaml:2: this is not YAML: mapping values are not allowed"},
    {S "limits:\n\thead: 8KiB\n", "t.yaml:3: this is not YAML"},
    {S "limits:\n\thead: 8KiB\n", "indent with spaces, not with tabs"},
    {S "limits: {head: 8KiB\n", "this is not YAML"},
    {S "limits: 'open\n", "this is not YAML"},
    {S "log: &l {level: info}\n", "t.yaml:2: found an anchor or alias"},
    {S "log: *l\n", "t.yaml:2: found an anchor or alias"},
    {S "log: !!map {level: info}\n", "t.yaml:2: found a tag"},
    {S "ledger: !secret x\n", "found a tag"},
    {S "---\n" S, "t.yaml:2: a second document starts here"},
    {S S, "t.yaml:2: the key sources stands twice, first in line 1"},
    {S "log: {level: info, level: debug}\n", "the key level stands twice"},
    {S "{a: b}: c\n", "t.yaml:2: found a list or map as a key"},
    {S "? [a]\n: b\n", "t.yaml:2: found a list or map as a key"},
    {S "log: [[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]\n", "nested deeper than 16 levels"},
    {"%YAML 1.1\n%YAML 1.1\n---\n", "this is not YAML"},
    {"log: \"\xff\"\n", "t.yaml:1: this is not YAML"},
    {S "\nlog: a\x01z\n", "t.yaml:3: this is not YAML"},
    // Keys.
    {S "lisen: unix:a\n", "t.yaml:2: lisen: unknown key; did you mean `listen`?"},
    {S "lisen: unix:a\n", "Allowed here: listen, tls, desk, ledger"},
    {S "zzzzzz: 1\n", "t.yaml:2: zzzzzz: unknown key; allowed here: listen"},
    {S "<<: {a: b}\n", "unknown key"},
    {S "'': 1\n", "unknown key"},
    {S CANARY_A ": 1\n", "t.yaml:2: (29 characters): unknown key"},
    {D("urll: x"), "t.yaml:2: destinations[0].urll: unknown key; did you mean `url`?"},
    {D("match: [{typs: a}]"), "destinations[0].match[0].typs: unknown key; did you mean `types`?"},
    {S "limits:\n  connections_per_adress: 1\n",
     "t.yaml:3: limits.connections_per_adress: unknown key; did you mean "
     "`connections_per_address`?"},
    {S "desk: {allow_private: 10.1.0.0}\n",
     "t.yaml:2: desk.allow_private: found `10.1.0.0`; expected a network: a network ends in /"},
    {S "desk:\n  allow_private:\n  - 10.0.0.0/8\n  - 10.1.2.3/16\n",
     "t.yaml:5: desk.allow_private[1]: found `10.1.2.3/16`; expected a network: bits are set "
     "behind those that count"},
    {S "desk: {allow_private: [300.0.0.0/8]}\n", "an IPv4 network has four numbers"},
    {S "desk: {allow_private: ['fd00::/200']}\n", "at most 32, of IPv6 128"},
    {S "desk: {allow_private: [localhost]}\n", "found `localhost`; expected a network"},
    {S "desk: {allow_private: {a: b}}\n", "found a map; expected a network or a list of them"},
    {S "desk: {allow_private: }\n", "desk.allow_private: found nothing; expected a network"},
    {S "desk: {allow_private: ['']}\n", "desk.allow_private[0]: found nothing; expected a network"},
    // Types and ranges.
    {S "limits: 5\n", "limits: found `5`; expected a map of keys"},
    {S "limits:\n", "t.yaml:2: limits: found nothing; expected a map of keys"},
    {S "limits: {head: }\n", "limits.head: found nothing; expected a size"},
    {S "limits: {head: [1KiB]}\n", "limits.head: found a list; expected a size"},
    {S "limits: {head: 16}\n",
     "found `16`; expected a size (500B, 64KiB, 1MiB, 2GiB) from 1KiB to 256KiB"},
    {S "limits: {head: 16KB}\n", "found `16KB`"},
    {S "limits: {head: 1023B}\n", "found `1023B`"},
    {S "limits: {head: 257KiB}\n", "found `257KiB`"},
    {S "limits: {body: -1MiB}\n", "limits.body: found `-1MiB`"},
    {S "limits: {body: 17MiB}\n", "limits.body: found `17MiB`"},
    {S "limits: {connections: 0}\n", "found `0`; expected a whole number from 1 to 1000000"},
    {S "limits: {connections: many}\n", "found `many`"},
    {S "limits: {connections: 1e3}\n", "found `1e3`"},
    {S "limits: {connections: 99999999999999999999}\n", "found a text of 20 characters"},
    {S "limits: {loops: 65}\n", "limits.loops: found `65`"},
    {S "limits: {head_timeout: 0s}\n", "limits.head_timeout: found `0s`"},
    {S "limits: {idle_timeout: 10}\n", "expected a duration (200ms, 5s, 5m, 2h, 90d)"},
    {S "limits: {min_rate: 2MiB}\n", "limits.min_rate"},
    {S "limits: {unverified: 1MiB}\n", "limits.unverified: less than two bodies"},
    {S "limits: {body: 16MiB}\njournal: {size: 16MiB}\n",
     "t.yaml:2: limits.body: more than a quarter"},
    {S "journal: {size: 15MiB}\n", "from 16MiB to 64GiB"},
    {S "journal: {size: 65GiB}\n", "journal.size: found `65GiB`"},
    {S "journal: {path: ''}\n", "journal.path: is empty"},
    {S "journal: {path: \"a\\tb\"}\n", "journal.path: has a control character"},
    {S "journal: {path: '${NOT_UTF8}'}\n",
     "journal.path: has a control character, or is not UTF-8"},
    {S "journal: {path: same}\nledger: sqlite:same\n", "journal.path: the ledger is the same file"},
    {S "log: {format: xml}\n", "found `xml`; expected one of text, json"},
    {S "log: {level: INFO}\n", "expected one of debug, info, warning, error"},
    {S "ledger: hookkeep.db\n", "ledger: expected sqlite:PATH"},
    {S "ledger: 'sqlite:'\n", "ledger: expected sqlite:PATH"},
    {S "ledger: postgresql://u@h/db\n",
     "t.yaml:2: ledger: a ledger in PostgreSQL is not in this version"},
    {S "ledger: postgres://u@h/db\n", "not in this version"},
    {S "tls: {certificate: a}\n", "t.yaml:2: tls: key is missing; expected a text"},
    {S "tls: {key: a}\n", "tls: certificate is missing"},
    {S "listen: []\n", "listen: found an empty list"},
    {S "listen: 4242\n", "listen: found `4242`; expected http://HOST:PORT"},
    {S "listen: [ftp://a:1]\n", "listen[0]: found `ftp://a:1`; expected http://HOST:PORT"},
    {S "listen: {a: b}\n", "listen: found a map; expected an address or a list"},
    {S "listen: ['https://127.0.0.1:443']\n", "listen[0]: https needs a certificate"},
    {S "desk: {listen: 'https://127.0.0.1:443'}\n", "desk.listen: https needs a certificate"},
    {S "listen: [unix:a, unix:a]\n", "listen[1]: the same address"},
    {S "listen: http://127.0.0.1:4243\n", "desk.listen[0]: the same address as in line 2"},
    // The twin.
    {S "twin: {enabled: true}\n",
     "t.yaml:2: twin.enabled: found true, and the source /webhook in line 1 "
     "takes live events (its livemode is both); expected"},
    {S "twin: {enabled: yes}\n", "expected one of false, true"},
    {S "twin: {key: sk_test_4eC39HqLyjWDarjtT1zdp7dc}\n", "twin.key: this is no key of mode test"},
    {S "twin: {key: sk_live_hk0123456789abcdefghijABCDEFGHIJ12}\n", "no key of mode test"},
    {S "twin: {api_version: newest}\n", "no version of Stripe's API; expected one as 2026-10-28"},
    {S "twin: {endpoints: [{source: /b}]}\n",
     "twin.endpoints[0].source: there is no such source; expected the path of one"},
    {S "twin: {endpoints: [{source: /webhook}, {source: /webhook}]}\n",
     "the source stands in line 2 too"},
    {"twin: {endpoints: [{}]}\n", "twin.endpoints[0]: source is missing"},
    {S "twin: {endpoints: []}\n", "twin.endpoints: found an empty list"},
    {S "twin: {chaos: [drop=5, duplicat]}\n", "twin.chaos[1]: found duplicat; expected none, or"},
    {S "twin: {chaos: drop=101}\n", "twin.chaos: found drop=101; expected a percentage"},
    {S "twin: {chaos: [none, drop]}\n", "twin.chaos: found none; expected"},
    {S "twin: {speed: 0.5}\n", "twin.speed: found `0.5`; expected a whole number from 0"},
    // Variables.
    {S "ledger: sqlite:${UNSET}\n", "t.yaml:2: ledger: UNSET is not set in the environment"},
    {S "ledger: sqlite:${UNSET\n", "ledger: a ${ without its }"},
    {S "ledger: sqlite:${}\n", "neither VAR nor VAR:-default"},
    {S "ledger: sqlite:${1A}\n", "neither VAR nor VAR:-default"},
    {S "ledger: sqlite:${A-b}\n", "neither VAR nor VAR:-default"},
    {S "ledger: sqlite:${A:b}\n", "neither VAR nor VAR:-default"},
    {S "ledger: ${EMPTY}\n", "ledger: is empty"},
    {KEY("${" CANARY_A "}"), "the variable (29 characters) is not set"},
    {S "limits: {head_timeout: '${A}'}\n", "found `${A}`; expected a duration"},
    // Secrets.
    {KEY(""), "t.yaml:5: sources[0].secrets[0].key: found nothing; expected a secret"},
    {KEY("''"), "t.yaml:5: sources[0].secrets[0].key: the secret is empty"},
    {KEY("${EMPTY}"), "the secret is empty"},
    {KEY("${UNSET:-}"), "the secret is empty"},
    {KEY("${UNSET}"), "UNSET is not set"},
    {KEY("whsec_Canary012"), "fewer than 16 characters"},
    {KEY("${SHORT}"), "fewer than 16 characters"},
    {KEY("${LEFT}"), "white space around it"},
    {KEY("${RIGHT}"), "white space around it"},
    {KEY("' " CANARY_A "'"), "white space around it"},
    {KEY("\"" CANARY_A "\\t\""), "white space around it"},
    {KEY("${CONTROL}"), "control character inside"},
    {KEY("[" CANARY_A "]"), "found a list; expected a secret"},
    {KEY("{a: " CANARY_A "}"), "found a map; expected a secret"},
    {KEY("file:/run/none"), "the file behind file: cannot be read (absent)"},
    {KEY("file:/run/forbidden"), "cannot be read (refused)"},
    {KEY("file:/run/large"), "cannot be read (full)"},
    {KEY("'file:'"), "cannot be read"},
    {KEY("file:" CANARY_A), "cannot be read"},
    {KEY("file:/run/two"), "white space around it"},
    {KEY("file:/run/crlf"), "white space around it"},
    {KEY("file:/run/space"), "white space around it"},
    {KEY("file:/run/empty"), "the secret is empty"},
    {KEY("file:/run/newline"), "the secret is empty"},
    {KEY("file:/run/short"), "fewer than 16 characters"},
    // Sources.
    {"log: {level: info}\n", "t.yaml:1: sources is missing"},
    {"sources: []\n", "sources: found an empty list; expected at least one source"},
    {"sources: {path: /a}\n", "sources: found a map; expected a list of maps"},
    {"sources: [/webhook]\n", "sources[0]: found `/webhook`; expected a map"},
    {"sources: [" CANARY_A "]\n", "found a text of 29 characters; expected a map"},
    {SOURCE(""), "sources[0]: path is missing"},
    {SOURCE("path: webhook, "), "sources[0].path: does not start with '/'"},
    {SOURCE("path: '/a b', "), "is no path of a URL"},
    {SOURCE("path: '/a?b', "), "is no path of a URL"},
    {SOURCE("path: '/a#b', "), "is no path of a URL"},
    {SOURCE("path: /\xc3\xa9, "), "is no path of a URL"},
    {SOURCE("path: /a, owner: 'a b', "), "sources[0].owner: expected acct_"},
    {SOURCE("path: /a, livemode: yes, "), "found `yes`; expected one of both, live, test"},
    {SOURCE("path: /a, tolerance: 0s, "),
     "expected a duration (200ms, 5s, 5m, 2h, 90d) from 1s to 24h"},
    {SOURCE("path: /a, tolerance: off, "), "sources[0].tolerance: found `off`"},
    {SOURCE("path: /a, tolerance: 25h, "), "sources[0].tolerance: found `25h`"},
    {SOURCE("path: /a, tolerance: 1500ms, "), "expected whole seconds"},
    {"sources: [{path: /a}]\n", "sources[0]: secrets is missing"},
    {"sources: [{path: /a, secrets: []}]\n", "found 0 secrets; a source has 1 to 64"},
    {"sources: [{path: /a, secrets: " CANARY_A "}]\n",
     "found a text of 29 characters; expected a list of maps"},
    {"sources: [{path: /a, secrets: [" CANARY_A "]}]\n",
     "sources[0].secrets[0]: found a text of 29 characters"},
    {"sources: [{path: /a, secrets: [{label: a}]}]\n", "sources[0].secrets[0]: key is missing"},
    {"sources: [{path: /a, secrets: [{key: " CANARY_A "}]}]\n", "secrets[0]: label is missing"},
    {"sources: [{path: /a, secrets: [{label: " CANARY_A ", key: '${A}'}]}]\n",
     "secrets[0].label: found a text of 29 characters; expected a name"},
    {"sources: [{path: /a, secrets: [{label: A, key: '${A}'}]}]\n",
     "label: found `A`; expected a name: 1 to 64"},
    {"sources: [{path: /a, secrets: [{label: a, scope: platform, key: '${A}'}]}]\n",
     "scope: found `platform`; expected one of any, account, connect"},
    {"sources:\n- path: /a\n  secrets:\n  - {label: a, key: '${A}'}\n  - {label: a, key: '${B}'}\n",
     "t.yaml:5: sources[0].secrets[1].label: the secret in line 4 has the same label"},
    {"sources:\n- path: /a\n  secrets:\n  - {label: a, key: '${A}'}\n  - {label: b, key: '${A}'}\n",
     "t.yaml:5: sources[0].secrets[1].key: the same secret as in line 4"},
    {"sources:\n- {path: /a, secrets: [{label: a, key: '${A}'}]}\n- {path: "
     "/a, secrets: [{label: a, key: '${B}'}]}\n",
     "t.yaml:3: sources[1].path: the source in line 2 has the same path"},
    {"sources:\n- {path: /a, secrets: [{label: a, key: '${A}'}]}\n- {path: "
     "/b, owner: x, secrets: [{label: a, key: '${A}'}]}\n",
     "t.yaml:3: sources[1].secrets[0].key: the source in line 2 has the "
     "same secret and another owner"},
#define WINDOW(from_, until_)                                                                      \
    "sources: [{path: /a, secrets: [{label: a, key: '${A}', not_before: '" from_                   \
    "', not_after: '" until_ "'}]}]\n"
    {WINDOW("2026-11-27", "2026-11-28T00:00:00Z"),
     "not_before: found `2026-11-27`; expected a time with its offset (2026-11-27T18:00:00Z)"},
    {WINDOW("2026-11-27T00:00:00Z", "2026-11-28T00:00:00"), "not_after: found"},
    {WINDOW("2026-11-27T00:00:00Z", "2026-11-28T00:00:00.5Z"), "not_after: found"},
    {WINDOW("1970-01-01T00:00:00Z", "2026-11-28T00:00:00Z"), "not_before: found"},
    {WINDOW("2026-11-27T00:00:00Z", "2026-11-27T00:00:00Z"),
     "not_after: not later than not_before: it would never be in force"},
    {WINDOW("2026-11-27T00:00:01Z", "2026-11-27T01:00:00+01:00"), "not later than not_before"},
    {"sources: [{path: /a, livemode: live, secrets: [{label: a, livemode: test, key: '${A}'}]}]\n",
     "secrets[0].livemode: found test, and its source takes live events alone"},
    {"sources: [{path: /a, secrets: [{label: a, livemode: no, key: '${A}'}]}]\n",
     "livemode: found `no`; expected one of both, live, test"},
    // Destinations.
    {S "destinations: [{url: 'http://h', secret: '${A}'}]\n", "destinations[0]: name is missing"},
    {S "destinations: [{name: a, secret: '${A}'}]\n", "destinations[0]: url is missing"},
    {S "destinations: [{name: a, url: 'http://h'}]\n", "destinations[0]: secret is missing"},
    {S "destinations:\n", "destinations: found nothing; expected a list of maps"},
    {S "destinations: [{name: My Shop, url: 'http://h', secret: '${A}'}]\n",
     "name: found `My Shop`; expected a name"},
    {S "destinations: [{name: '', url: 'http://h', secret: '${A}'}]\n", "destinations[0].name"},
    {S "destinations:\n- {name: a, url: 'http://h', secret: '${A}'}\n- {name: "
       "a, url: 'http://i', secret: '${A}'}\n",
     "t.yaml:4: destinations[1].name: the destination in line 3 has the same name"},
    {S "destinations: [{name: a, url: 'http://h', secret: short}]\n",
     "destinations[0].secret: the secret has fewer"},
    {D("kind: htpp"), "destinations[0].kind: found `htpp`; expected one of http, command"},
    // Keys that do not fit the kind.
    {D("run: [python3]"), "destinations[0].run: says nothing to kind http; remove it, or say kind"},
    {D("mode: oneshot"), "destinations[0].mode: says nothing to kind http"},
    {D("environment: [A]"), "environment: says nothing to kind http"},
    {D("limits: {files: 9}"), "limits: says nothing to kind http"},
    {D("kind: command"), "destinations[0]: run is missing; a destination of kind command needs"},
    {D("kind: command"), "destinations[0].url: says nothing to kind command; remove it"},
    {D("kind: command"), "destinations[0].secret: says nothing to kind command"},
    {C("workers: 2"), "destinations[0].workers: says nothing to mode oneshot; remove it, or say"},
    {C("mode: oneshot, restart: [1s]"), "restart: says nothing to mode oneshot"},
    {Q("kind: redis, stream: s"), "url is missing; a destination of kind redis needs one"},
    {Q("kind: redis, url: 'redis://h'"), "stream is missing; a destination of kind redis needs"},
    {Q("kind: redis, url: 'redis://h', stream: s, list: l"), "there is a stream already"},
    {Q("kind: redis, url: 'redis://h', list: l, maxlen: 5"), "maxlen: says nothing to a list"},
    {Q("kind: redis, url: 'redis://u:p@h', stream: s"), "put it under password"},
    {Q("kind: redis, url: 'redis://u@h', stream: s"), "a user, whose password is missing"},
    {Q("kind: bullmq, url: 'redis://h'"), "queue is missing; a destination of kind bullmq needs"},
    {Q("kind: bull, url: 'redis://h', queue: 'a:b'"), "queue: a queue's name has no colon"},
    {Q("kind: bull, url: 'redis://h', queue: q, stream: s"), "says nothing to kind bull"},
    {Q("kind: file"), "path is missing; a destination of kind file needs one"},
    {Q("kind: file, path: p, url: 'redis://h'"), "url: says nothing to kind file"},
    {S "destinations: [{name: a, kind: plugin}]\n",
     "destinations[0]: path is missing; a destination of"},
    {P("url: 'http://h'"), "url: says nothing to kind plugin; remove it, or say kind: http"},
    {P("run: [a]"), "run: says nothing to kind plugin; remove it, or say kind: command"},
    {P("mode: stream"), "mode: says nothing to kind plugin"},
    {P("concurrency: 2"), "concurrency: says nothing to kind plugin"},
    {P("restart: []"), "restart: found an empty list"},
    {C("path: a.so"), "path: says nothing to kind command; remove it, or say kind: plugin"},
    {D("description: ''"), "description: is empty"},
    {D("kind: tables"), "destinations[0].url: says nothing to kind tables; remove it, or say kind: "
                        "http"},
    {T("timeout: 5s"), "timeout: says nothing to kind tables; remove it, or say kind: http or "
                       "command"},
    {T("retry: [5s]"), "retry: says nothing to kind tables"},
    {T("run: [a]"), "run: says nothing to kind tables; remove it, or say kind: command"},
    {T("mode: stream, workers: 2"), "workers: says nothing to kind tables"},
    {D("tables: {except: [product]}"), "destinations[0].tables: says nothing to kind http; remove "
                                       "it, or say kind: tables"},
    // Tables.
    {T("tables: {except: [price, prodct]}"),
     "t.yaml:2: destinations[0].tables.except[1]: Stripe has no such type of object; did you mean "
     "`product`?"},
    {T("tables: {except: [qqqqqqqqq]}"), "expected what stands in an object's `object`"},
    {T("tables: {except: []}"), "destinations[0].tables.except: found an empty list"},
    {T("tables: {but: [product]}"),
     "destinations[0].tables.but: unknown key; allowed here: except"},
    {T("tables: [product]"), "destinations[0].tables: found a list; expected a map of keys"},
    {S "destinations:\n- {name: a, kind: tables}\n- {name: b, kind: tables}\n",
     "t.yaml:4: destinations[1].kind: the destination in line 3 keeps the tables already; there is "
     "one set of them"},
    // Commands.
    {C("mode: shot"), "mode: found `shot`; expected one of oneshot, stream"},
    {C("mode: stream, workers: 0"), "workers: found `0`; expected a whole number from 1 to 64"},
    {C("mode: stream, restart: []"), "restart: found an empty list; expected at least one wait"},
    {C("mode: stream, restart: [50ms]"), "restart[0]: found `50ms`"},
    {C("grace: 2m"), "grace: found `2m`; expected a duration"},
    {C("log_rate: -1"), "log_rate: found `-1`"},
    {C("limits: 5"), "limits: found `5`; expected a map of keys"},
    {C("limits: {memory: 1KiB}"), "limits.memory: found `1KiB`"},
    {C("limits: {cpu: 500ms}"), "limits.cpu: found `500ms`"},
    {C("limits: {files: 7}"), "limits.files: found `7`"},
    {C("limits: {disk: 7}"), "limits.disk: unknown key; allowed here: memory, cpu, files"},
    {C("environment: {A: b}"), "environment: found a map"},
    {C("environment: [A-B]"), "environment[0]: is no variable; expected NAME or NAME=value"},
    {C("environment: [1A=b]"), "environment[0]: is no variable"},
    {C("environment: ['=b']"), "environment[0]: is no variable"},
    {C("environment: [" CANARY_A "-]"), "environment[0]: is no variable"},
    {C("environment: ['A b=" CANARY_A "']"), "environment[0]: is no variable"},
    {C("environment: [B, 'B=c']"), "environment[1]: stands twice, first in line 2"},
    {C("environment: [HOOKKEEP_EVENT=x]"), "are set by the gateway itself"},
    {C("environment: ['X=${UNSET}']"), "environment[0]: UNSET is not set"},
    {S "destinations: [{name: a, kind: command, run: []}]\n", "run: found an empty list"},
    {S "destinations: [{name: a, kind: command, run: ['']}]\n", "run[0]: is empty"},
    {S "destinations: [{name: a, kind: command, run: ''}]\n", "run: is empty"},
    {S "destinations: [{name: a, kind: command, run: python3 handler.py --x}]\n",
     "run: is one program's name, blanks included; write its arguments as a list"},
    {S "destinations: [{name: a, kind: command, run: ['${A} /a']}]\n", "run[0]: is one program's"},
    {S "destinations: [{name: a, kind: command, run: [\"a\\0b\"]}]\n", "run[0]: has a control"},
    {C("environment: [\"A=a\\0b\"]"), "environment[0]: has a control character"},
    {S "destinations: [{name: a, kind: command, run: {a: b}}]\n", "run: found a map"},
    {D("timeout: 500ms"),
     "timeout: found `500ms`; expected a duration (200ms, 5s, 5m, 2h, 90d) from 1s to 5m"},
    {D("timeout: 301s"), "timeout: found `301s`"},
    {D("timeout: 30"), "timeout: found `30`"},
    {D("concurrency: 0"), "concurrency: found `0`; expected a whole number, or the least and the "
                          "most (1..64), from 1 to 256"},
    {D("concurrency: 0..4"), "concurrency: found `0..4`"},
    {D("concurrency: 4..1"), "concurrency: found `4..1`"},
    {D("concurrency: 1..257"), "concurrency: found `1..257`"},
    {D("concurrency: 1..x"), "concurrency: found `1..x`"},
    {D("concurrency: .."), "concurrency: found `..`"},
    {D("rate: 50"), "rate: found `50`; expected a rate in a second, minute or hour (50/s, 300/m, "
                    "1000/h)"},
    {D("rate: 0/s"), "rate: found `0/s`"},
    {D("rate: 100001/s"), "rate: found `100001/s`"},
    {D("rate: 50/d"), "rate: found `50/d`"},
    {D("rate: -1/s"), "rate: found `-1/s`"},
    {D("rate: 50/ss"), "rate: found `50/ss`"},
    {D("rate: /s"), "rate: found `/s`"},
    {D("priority: high"), "priority: "},
    {D("priority: {hihg: invoice.*}"), "priority.hihg: unknown key; did you mean `high`?"},
    {D("priority: {}"), "priority: it orders nothing; name types in `high` or `low`"},
    {D("priority: {high: Invoice}"), "priority.high: this is no pattern of event types"},
    {D("priority: {low: [invoice.*, -]}"), "priority.low[1]: this is no pattern of event types"},
    {D("priority: {high: invoice.*, low: [customer.*, invoice.*]}"),
     "priority.low[1]: it stands in `high` too"},
    {T("priority: {high: invoice.*}"), "priority: says nothing to kind tables"},
    {D("concurrency: 257"), "concurrency: found `257`"},
    {D("retry: [5s, 500ms]"), "destinations[0].retry[1]: found `500ms`"},
    {D("retry: [31d]"), "retry[0]: found `31d`"},
    {D("retry: 5"), "retry: found `5`"},
    {D("retry: {a: b}"), "retry: found a map"},
    {D("retry: [" WAITS_11 "," WAITS_11 "," WAITS_11 "]"), "retry: found 33 waits; at most 32"},
    {D("livemode: prod"), "livemode: found `prod`"},
    {URL("ftp://h"), "destinations[0].url: this is no URL to deliver to: it starts with neither"},
    {URL("HTTP://h"), "it starts with neither"},
    {URL("127.0.0.1:80"), "it starts with neither"},
    {URL("http://"), "it has no host"},
    {URL("http:///a"), "it has no host"},
    {URL("http://:80/a"), "it has no host"},
    {URL("http://?a"), "it has no host"},
    {URL("http://h:0"), "its port is none; expected 1 to 65535"},
    {URL("http://h:65536/"), "its port is none"},
    {URL("http://h:"), "its port is none"},
    {URL("http://h:a"), "its port is none"},
    {URL("http://[::1"), "its host is no [IPv6 address]"},
    {URL("http://[]/"), "its host is no [IPv6 address]"},
    {URL("http://[::1]80/"), "its port is none"},
    {URL("http://a b/"), "it has a space"},
    {URL("http://h/#a"), "it has a space, a #"},
    {URL("http://h\\a/"), "its host has a character"},
    {URL("http://{account}.h/"),
     "it has { or } before its path; {account} and {site} may stand in"},
    {URL("http://h:{site}/"), "it has { or } before its path"},
    {URL("http://{site}@h/"), "it has { or } before its path"},
    {URL("http://h/{acount}"), "it has a { that begins neither {account} nor {site}; where the"},
    {URL("http://h/?a={"), "it has a { that begins neither"},
    {URL("http://h/a}"), "it has a } without a { before it"},
    {URL("http://u:" CANARY_A "@h/"), "it has a name or password"},
    // Match.
    {D("match: []"), "match: found an empty list, which would match nothing"},
    {D("match: {types: a}"), "match: found a map; expected a list of maps"},
    {D("match: [customer.*]"), "match[0]: found `customer.*`; expected a map"},
    {M("{}"), "destinations[0].match[0]: this rule asks for nothing"},
    {M("{scope: any}"), "this rule asks for nothing"},
    {M("{types: []}"), "types: found an empty list"},
    {M("{types: [[a]]}"), "types[0]: found a list; expected a text"},
    {M("{types: '*.created'}"), "types: this is no pattern of event types"},
    {M("{types: 'customer*'}"), "this is no pattern"},
    {M("{types: ['.*']}"), "types[0]: this is no pattern"},
    {M("{types: Customer.created}"), "this is no pattern"},
    {M("{accounts: main}"), "accounts: this is no account; expected acct_"},
    {M("{accounts: [platform, acct_]}"), "accounts[1]: this is no account"},
    {M("{scope: live}"), "match[0].scope: found `live`"},
    {M("{sources: /other}"),
     "match[0].sources: no source has this path; expected one of: /webhook"},
    {M("{sources: [/webhook, webhook]}"), "sources[1]: no source has this path"},
    {M("{secrets: other}"), "match[0].secrets: no secret of a source has this label"},
    {M("{secrets: " CANARY_B "}"), "expected a label, never the secret itself"},
    {M("{where: a}"), "where: found `a`; expected a map from paths"},
    {M("{where: {}}"), "where: found an empty map"},
    {M("{where: {a..b: c}}"), "this is no path into an event"},
    {M("{where: {.a: c}}"), "this is no path into an event"},
    {M("{where: {a.: c}}"), "this is no path into an event"},
    {M("{where: {'': c}}"), "this is no path into an event"},
    {M("{where: {a: }}"), "where.a: found nothing; write \"\" for the empty text"},
    {M("{where: {a: []}}"), "where.a: found an empty list"},
    {M("{where: {a: {b: c}}}"), "where.a: found a map"},
    {M("{where: {a: [[b]]}}"), "where.a[0]: found a list"},
    {M("{where: {a: '${UNSET}'}}"), "where.a: UNSET is not set"},
};

static void no_canary(const struct text *t) {
    if (strstr(text_str(t), "Canary") != NULL)
        fail_msg("a message tells a secret: %s", text_str(t));
}

static void every_mistake_is_named_with_its_line_and_tells_no_secret(void **state) {
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
        OWN(text_drop)
        struct text errors = {0};
        OWN(text_drop)
        struct text warnings = {0};
        struct config *c = (struct config *)&errors;
        result r = config_read(bytes_of(mistakes[i].yaml), "t.yaml", &fixture_outside, &c, &errors,
                               &warnings);
        if (!failed_as(r, FAIL_INVALID))
            fail_msg("not refused: %s", mistakes[i].yaml);
        assert_null(c);
        if (strstr(text_str(&errors), mistakes[i].says) == NULL)
            fail_msg("%s\nsays: %snot: %s", mistakes[i].yaml, text_str(&errors), mistakes[i].says);
        if (strncmp(text_str(&errors), "t.yaml:", 7) != 0 || errors.p[errors.n - 1] != '\n')
            fail_msg("not a message: %s", text_str(&errors));
        no_canary(&errors);
        no_canary(&warnings);
    }
}

static void all_mistakes_are_said_at_once(void **state) {
    OWN(text_drop)
    struct text errors = {0};
    OWN(text_drop)
    struct text warnings = {0};
    struct config *c;
    assert_non_null(config_read(B("lisen: a\nlog: {level: x}\nsources:\n- {path: a}\n"), "f",
                                &fixture_outside, &c, &errors, &warnings));
    static const char *const parts[] = {"f:1: lisen", "f:2: log.level", "f:4: sources[0]: secrets",
                                        "f:4: sources[0].path"};
    for (size_t i = 0; i < 4; i++)
        assert_non_null(strstr(text_str(&errors), parts[i]));
}

static void messages_are_bounded(void **state) {
    OWN(text_drop)
    struct text yaml = {0};
    OWN(text_drop)
    struct text errors = {0};
    OWN(text_drop)
    struct text warnings = {0};
    struct config *c;
    text_adds(&yaml, S);
    for (int i = 0; i < 500; i++)
        text_addf(&yaml, "k%d: 1\n", i);
    assert_non_null(config_read(text_bytes(&yaml), "f", &fixture_outside, &c, &errors, &warnings));
    assert_true(errors.n < 64 << 10);
    assert_non_null(strstr(text_str(&errors), "f: 400 more\n"));
}

static void what_is_large_or_repeats_itself_is_refused(void **state) {
    OWN(text_drop)
    struct text yaml = {0};
    OWN(text_drop)
    struct text errors = {0};
    OWN(text_drop)
    struct text warnings = {0};
    struct config *c;
    text_adds(&yaml, S "#");
    while (yaml.n <= 1 << 20)
        text_adds(&yaml, "................................................................");
    assert_non_null(config_read(text_bytes(&yaml), "f", &fixture_outside, &c, &errors, &warnings));
    assert_non_null(strstr(text_str(&errors), "a configuration has at most 1048576"));
    text_reset(&yaml);
    text_reset(&errors);
    text_adds(&yaml, S "listen: [");
    for (int i = 0; i < 1001; i++)
        text_addf(&yaml, "unix:%d,", i);
    text_adds(&yaml, "]\n");
    assert_non_null(config_read(text_bytes(&yaml), "f", &fixture_outside, &c, &errors, &warnings));
    assert_non_null(strstr(text_str(&errors), "f:2: more than 1000 entries"));
    text_reset(&yaml);
    for (int i = 0; i < 1 << 20; i++)
        text_addc(&yaml, '[');
    assert_non_null(config_read(text_bytes(&yaml), "f", &fixture_outside, &c, &errors, &warnings));
}

static const struct {
    const char *yaml, *says; // null: no warning
} warned[] = {
#define RING(more_) "sources: [{path: /a, secrets: [{label: a, key: '${A}'" more_ "}]}]\n"
    {RING(", not_after: 2026-11-27T18:00:00Z"), "this secret is retired: what it signs"},
    {RING(", not_after: 2026-11-27T18:00:00Z"), "none of these secrets is in force now"},
    {RING(", not_before: 2026-11-27T18:00:02Z"), "none of these secrets is in force now"},
    {RING(", not_before: 2026-11-27T18:00:01Z, not_after: 2026-11-27T18:00:02Z"), NULL},
    {RING(", not_after: 2026-11-27T18:00:00Z}, {label: b, key: '${B}'"), "secrets[0].not_after"},
    {S, NULL},
    {S "listen: ['http://[::1]:1', http://localhost:2, unix:a]\n", NULL},
    {S "listen: http://0.0.0.0:80\n", "t.yaml:2: listen: plain http on an address that others can"},
    {S "listen: [unix:a, 'http://[::]:80']\n", "t.yaml:2: listen[1]: plain http"},
    {S "desk: {listen: http://10.0.0.1:80}\n", "desk.listen: plain http on an address that others"},
    {S "desk: {allow_private: [10.1.0.0/16, 169.254.169.254/32, 'fd00::/8']}\n", NULL},
    {S "desk: {allow_private: []}\n", NULL},
    {S "desk: {allow_private: 0.0.0.0/0}\n",
     "desk.allow_private: this is every address of IPv4: endpoints may lead anywhere"},
    {S "desk: {allow_private: ['::/0']}\n", "allow_private[0]: this is every address of IPv6"},
    {S "tls: {certificate: a, key: b}\n", "t.yaml:2: tls: no address in listen is https"},
    {S "tls: {certificate: a, key: b}\nlisten: https://0.0.0.0:443\n", NULL},
    {S "destinations: [{name: a, kind: command, run: '/opt/my handler'}]\n", NULL},
    {C("environment: [NAME, 'ABSENT=x']"), NULL},
    {C("environment: [NAME, ABSENT]"),
     "destinations[0].environment[1]: this variable is not set here; the handler will not have it"},
    {C("user: books, directory: /srv"), NULL},
    {C("user: nobody-here"), "t.yaml:2: destinations[0].user: there is no such user here; the "
                             "handler will not start"},
    {C("directory: /nowhere"), "destinations[0].directory: there is no such folder here"},
    {P("workers: 2, limits: {memory: 64MiB}, user: books, retry: [1s], timeout: 2s"), NULL},
    {S "destinations: [{name: a, kind: plugin, path: none.so}]\n",
     "t.yaml:2: destinations[0].path: this plugin cannot be used now, and what is delivered to it "
     "fails: there is no such file"},
    {S "destinations: [{name: a, kind: plugin, path: no-table.so}]\n",
     "fails: it exports no hk_handlers; do this"},
    {S "destinations: [{name: a, kind: plugin, path: empty.so}]\n",
     "fails: a plugin has no handlers"},
    {S "destinations: [{name: a, kind: plugin, path: pattern.so}]\n", "type is no pattern"},
    {S "destinations: [{name: a, kind: plugin, path: misspelt.so}]\n",
     "t.yaml:2: destinations[0].path: its handler a processes `invoice.payed`: Stripe documents no "
     "such event type; did you mean `invoice.paid`?"},
    {S "destinations: [{name: a, kind: plugin, path: nonsense.so}]\n", "cannot be used now"},
    {M("{types: [customer.created, 'customer.*', '*', 'customer.subscription.*']}"), NULL},
    {M("{types: custmer.created}"),
     "destinations[0].match[0].types: Stripe documents no such event type; "
     "did you mean `customer.created`?"},
    {M("{types: [a.b, 'custmer.*']}"),
     "types[1]: Stripe documents no such event type; did you mean `customer.*`?"},
    {M("{types: qqqqqqqqqqqqqqqqqqqqqqqqq.zzzzzz}"), "`hookkeep events types` lists them"},
#define CLAIMS(a_, b_) S "sites: [{name: a, claims: [" a_ "]}, {name: b, claims: [" b_ "]}]\n"
    {CLAIMS("{prices: [p1, p2]}", "{products: [p1]}"), NULL},
    {CLAIMS("{prices: [p1]}, {prices: p1}", "{prices: p2}"), NULL},
    {CLAIMS("{prices: [p1, p2]}", "{customers: c}, {prices: [p3, p2]}"),
     "sites[1].claims[1]: another site claims the same in line 2, which stands first"},
    {CLAIMS("{where: {a.b: [x, y]}}", "{where: {a.b: y}}"),
     "another site claims the same in line 2, which stands first"},
    {CLAIMS("{where: {a.b: x, c: d}}", "{where: {a.b: x}}"), NULL},
};

static void what_is_doubtful_is_warned_of(void **state) {
    for (size_t i = 0; i < sizeof(warned) / sizeof(warned[0]); i++) {
        OWN(text_drop)
        struct text errors = {0};
        OWN(text_drop)
        struct text warnings = {0};
        OWN(fixture_drop)
        struct config *c = NULL;
        result r = config_read(bytes_of(warned[i].yaml), "t.yaml", &fixture_outside, &c, &errors,
                               &warnings);
        if (r != OK)
            fail_msg("%s\nrefused: %s", warned[i].yaml, text_str(&errors));
        if (warned[i].says == NULL)
            assert_string_equal(text_str(&warnings), "");
        else if (strstr(text_str(&warnings), warned[i].says) == NULL)
            fail_msg("%s\nwarns: %s", warned[i].yaml, text_str(&warnings));
        no_canary(&warnings);
    }
}

#define FOR_SITES(a_) S "destinations: [{name: d, kind: command, run: /x" a_ "}]\n"
#define SITE_A "sites: [{name: a, claims: [{where: {a.b: c, d.e: [f, g]}}]}, {name: b}]\n"

static void what_may_not_be_meant_is_hinted_at(void **state) {
    static const struct {
        const char *yaml, *hints;
    } rows[] = {
        {S, ""},
        {FOR_SITES("") "sites: [{name: a}]\n", ""},
        {FOR_SITES(", match: [{types: charge.failed}]") "sites: [{name: a}]\n", ""},
        {FOR_SITES(", match: [{sites: [a, unclaimed]}]") SITE_A,
         "site a: the claim that a.b is c and d.e is one of f, g holds where one object says all "
         "of it; if any of it is meant, make a claim of each\n"
         "site b: no destination takes its events; one with the rule {sites: [b]} does\n"},
        {FOR_SITES(", match: [{sites: a}]") "sites: [{name: a}]\n",
         "no destination takes events without a site: they are kept, `hookkeep sites unclaimed` "
         "shows them, and one with the rule {sites: [unclaimed]} takes them\n"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        OWN(text_drop)
        struct text errors = {0}, warnings = {0}, hints = {0};
        OWN(fixture_drop)
        struct config *c = NULL;
        result r =
            config_read(bytes_of(rows[i].yaml), "t.yaml", &fixture_outside, &c, &errors, &warnings);
        if (r != OK)
            fail_msg("%s\nrefused: %s", rows[i].yaml, text_str(&errors));
        config_hints(c, &hints);
        assert_string_equal(text_str(&hints), rows[i].hints);
    }
}

static void read_any(bytes yaml, const char *secret) {
    OWN(text_drop)
    struct text errors = {0};
    OWN(text_drop)
    struct text warnings = {0};
    OWN(fixture_drop)
    struct config *c = NULL;
    result r = config_read(yaml, "t.yaml", &fixture_outside, &c, &errors, &warnings);
    assert_true((r == OK) == (errors.n == 0));
    assert_true((r == OK) == (c != NULL));
    if (strstr(text_str(&errors), secret) != NULL || strstr(text_str(&warnings), secret) != NULL)
        fail_msg("%.*s\ntells a secret: %s%s", BYTES_ARG(yaml), text_str(&errors),
                 text_str(&warnings));
}

// A secret put by mistake into the place of every word of the configuration.
static void a_secret_in_any_wrong_place_is_not_told(void **state) {
    static const char *const canaries[] = {
        "whsec_Canary0123456789abcdefghij",
        "canarycanarycanary",
        "canary0123456789",
        "canary_canary_canary_x",
        "Y2FuYXJ5Y2FuYXJ5Y2FuYXJ5Cg==",
        "sk_live_canary0123456789",
        "canary.canary.canary.*",
    };
    bytes full = bytes_of(fixture_full);
    for (size_t k = 0; k < sizeof(canaries) / sizeof(canaries[0]); k++) {
        for (size_t at = 0; at < full.n;) {
            size_t n = strcspn(fixture_full + at, " \n[]{},\"'");
            if (n > 0) {
                OWN(text_drop)
                struct text yaml = {0};
                // A key keeps its colon.
                size_t word = full.p[at + n - 1] == ':' ? n - 1 : n;
                text_add(&yaml, bytes_slice(full, 0, at));
                text_adds(&yaml, canaries[k]);
                text_add(&yaml, bytes_slice(full, at + word, full.n));
                read_any(text_bytes(&yaml), canaries[k]);
            }
            at += n + 1;
        }
    }
}

static void any_bytes_are_survived(void **state) {
    bytes full = bytes_of(fixture_full);
    uint64_t seed = 5;
    for (size_t n = 0; n < full.n; n += 3) {
        char *copy = malloc(n + 1);
        memcpy(copy, full.p, n);
        read_any(bytes_from(copy, n), "CanaryA");
        free(copy);
    }
    static const char spice[] = "{}[]:,-#&*!|>'\"%@`?$\n\t \\.~";
    for (int round = 0; round < 3000; round++) {
        char *copy = malloc(full.n);
        memcpy(copy, full.p, full.n);
        for (uint64_t k = random_below(&seed, 3) + 1; k > 0; k--)
            copy[random_below(&seed, full.n)] = random_below(&seed, 3) > 0
                                                    ? spice[random_below(&seed, sizeof(spice) - 1)]
                                                    : (char)random_next(&seed);
        read_any(bytes_from(copy, full.n), "CanaryA");
        free(copy);
    }
}

// A destination with n rules, of some 90 bytes each in the plan.
static void add_rules(struct text *yaml, int destination, int n) {
    text_addf(yaml, "- {name: d%d, url: 'http://h', secret: '${B}', match: [", destination);
    for (int i = 0; i < n; i++)
        text_addf(yaml, "{types: customer.created},");
    text_adds(yaml, "]}\n");
}

static void a_plan_that_no_record_takes_is_refused(void **state) {
    OWN(text_drop)
    struct text yaml = {0}, errors = {0}, warnings = {0};
    struct config *c;
    text_adds(&yaml, S "destinations:\n");
    for (int i = 0; i < 11; i++)
        add_rules(&yaml, i, 1000);
    assert_null(config_read(text_bytes(&yaml), "f", &fixture_outside, &c, &errors, &warnings));
    assert_in_range(c->plan->json.n, 1 << 20, 2 << 20);
    config_free(c);
    size_t as_it_was = yaml.n;
    text_adds(&yaml, "journal: {size: 16MiB}\nlimits: {body: 1MiB}\n");
    assert_non_null(config_read(text_bytes(&yaml), "f", &fixture_outside, &c, &errors, &warnings));
    assert_non_null(strstr(text_str(&errors), "expected at most 1040384, a sixteenth of "
                                              "journal.size; have fewer or shorter rules, or a "
                                              "larger journal"));
    yaml.n = as_it_was;
    text_reset(&errors);
    for (int i = 11; i < 25; i++)
        add_rules(&yaml, i, 1000);
    assert_non_null(config_read(text_bytes(&yaml), "f", &fixture_outside, &c, &errors, &warnings));
    assert_non_null(strstr(text_str(&errors), "expected at most 2097152, a record's 2 MiB; have "
                                              "fewer or shorter rules\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mistake_is_named_with_its_line_and_tells_no_secret),
        cmocka_unit_test(all_mistakes_are_said_at_once),
        cmocka_unit_test(messages_are_bounded),
        cmocka_unit_test(what_is_large_or_repeats_itself_is_refused),
        cmocka_unit_test(a_plan_that_no_record_takes_is_refused),
        cmocka_unit_test(what_is_doubtful_is_warned_of),
        cmocka_unit_test(what_may_not_be_meant_is_hinted_at),
        cmocka_unit_test(a_secret_in_any_wrong_place_is_not_told),
        cmocka_unit_test(any_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
