/* SPDX-License-Identifier: BSD-2-Clause
 *
 * test_verifier_orders: thousands of random worlds, each played in a random order of events, held
 * against an oracle that knows nothing of states: it looks at the finished world and says what the
 * verdict has to be. The seed is printed when one fails (VERIFIER_SEED plays that one alone).
 */
#include "verifier_lab.h"

#define WORLDS 6000
#define KEY_IDS 3
#define LEVELS 3
#define ENTRIES 3
#define KEYS 3 /* key pairs; entries are signed with any, records hold any */

static const char *const level_names[LEVELS] = {"www.dive.example", "dive.example", "example"};
static const char *const key_ids[KEY_IDS] = {"k0", "K1", "k_2"};

enum dns_kind { NOTHING, INSECURE, BOGUS, UNANSWERED, RECORD, JUNK };

struct key_fact {
    enum dns_kind kind;
    unsigned pair;    /* of a RECORD */
    bool hash_banned; /* allowed-hash without sha256 */
};

struct entry_fact {
    unsigned id, pair;
    int fqdn; /* level, or -1 */
    bool spoilt, expired;
};

struct world {
    unsigned seed;
    int draft;
    enum dns_kind policy[LEVELS];
    bool no_scope, ignore_bogus, ignore_no_answer, truncated, tampered, prohibited;
    int status;
    struct key_fact key[KEY_IDS][LEVELS][2]; /* [1]: as a fresh query sees it */
    struct entry_fact entry[ENTRIES];
    unsigned n_entries;
};

static struct lab_key pairs[KEYS];
static unsigned state;

static unsigned pick(unsigned n)
{
    state = state * 1103515245u + 12345u;
    return (state >> 8) % n;
}

static struct key_fact random_key(void)
{
    static const enum dns_kind kinds[] = {NOTHING, NOTHING,  NOTHING, RECORD,     RECORD, RECORD,
                                          RECORD,  INSECURE, BOGUS,   UNANSWERED, JUNK};

    return (struct key_fact){kinds[pick(11)], pick(KEYS), pick(8) == 0};
}

static void random_world(struct world *w, unsigned seed)
{
    static const enum dns_kind kinds[] = {NOTHING, NOTHING,  NOTHING, RECORD,     RECORD,
                                          RECORD,  INSECURE, BOGUS,   UNANSWERED, JUNK};
    static const int statuses[] = {200, 200, 200, 200, 200, 200, 206, 203, 404, 302};

    memset(w, 0, sizeof(*w));
    state = w->seed = seed;
    pick(2);
    w->draft = (int)pick(2);
    for (int i = 0; i < LEVELS; i++)
        w->policy[i] = kinds[pick(10)];
    w->no_scope = pick(12) == 0;
    w->ignore_bogus = pick(4) == 0;
    w->ignore_no_answer = pick(4) == 0;
    w->truncated = pick(10) == 0;
    w->tampered = pick(5) == 0;
    w->status = statuses[pick(10)];
    for (int k = 0; k < KEY_IDS; k++) {
        for (int l = 0; l < LEVELS; l++) {
            w->key[k][l][0] = random_key();
            w->key[k][l][1] = pick(4) ? w->key[k][l][0] : random_key();
        }
    }
    w->n_entries = pick(ENTRIES + 1);
    for (unsigned i = 0; i < w->n_entries; i++)
        w->entry[i] =
            (struct entry_fact){pick(KEY_IDS), pick(KEYS), (int)pick(6) < 3 ? (int)pick(3) : -1,
                                pick(8) == 0, pick(8) == 0};
}

/* --- the oracle --- */

enum fate { NO_KEY, NO_DNSSEC, BAD_KEY, BAD_HASH, BAD_SIG, GOOD };

static int policy_level(const struct world *w, enum dive_verdict *without)
{
    for (int l = 0; l < LEVELS; l++) {
        switch (w->policy[l]) {
        case RECORD:
            return l;
        case JUNK:
            *without = DIVE_NOT_SUPPORTED;
            return -1;
        case BOGUS:
        case UNANSWERED:
            if (w->policy[l] == BOGUS ? w->ignore_bogus : w->ignore_no_answer)
                break;
            *without = DIVE_REJECT;
            return -1;
        default:
            break;
        }
    }
    *without = DIVE_NOT_SUPPORTED;
    return -1;
}

static enum fate entry_fate(const struct world *w, const struct entry_fact *e, int level, int fresh)
{
    int first = e->fqdn < 0 ? 0 : e->fqdn, last = e->fqdn < 0 ? level : e->fqdn;

    for (int l = first; l <= last; l++) {
        const struct key_fact *k = &w->key[e->id][l][fresh];

        if (k->kind == NOTHING || k->kind == INSECURE)
            continue;
        if (k->kind == BOGUS || k->kind == UNANSWERED)
            return NO_DNSSEC;
        if (k->kind == JUNK)
            return BAD_KEY;
        if (k->hash_banned)
            return BAD_HASH;
        return k->pair == e->pair && !e->spoilt && !(w->draft == 0 && w->tampered) ? GOOD : BAD_SIG;
    }
    return NO_KEY;
}

static enum fate last_fate(const struct world *w, const struct entry_fact *e, int level)
{
    enum fate fate = entry_fate(w, e, level, 0);

    if (w->draft == 1 && e->expired)
        return BAD_SIG;
    return fate == NO_KEY || fate == NO_DNSSEC ? entry_fate(w, e, level, 1) : fate;
}

/* draft-00: of one Key ID the first counts. */
static bool counts(const struct world *w, unsigned i)
{
    for (unsigned k = 0; k < i && w->draft == 0; k++) {
        if (w->entry[k].id == w->entry[i].id)
            return false;
    }
    return true;
}

static const char *reason_of(const struct world *w, int level)
{
    static const char *const words[] = {"key-not-found", "dnssec-unavailable", "key-invalid",
                                        "hash-algorithm-not-allowed", "signature-mismatch"};
    const char *reason = NULL;

    for (unsigned i = 0; i < w->n_entries; i++) {
        const char *one;

        if (!counts(w, i))
            continue;
        one = words[last_fate(w, &w->entry[i], level)];
        if (reason && strcmp(reason, one) != 0)
            return "no-valid-key";
        reason = one;
    }
    return reason ? reason : "missing-headers";
}

/* The verdict once everything has happened. *reason: NULL when more than one is right. */
static enum dive_verdict oracle(const struct world *w, const char **reason)
{
    enum dive_verdict without = DIVE_UNDECIDED;
    int level = policy_level(w, &without);

    *reason = "none";
    if (level < 0) {
        if (without == DIVE_REJECT)
            *reason = "dnssec-unavailable";
        return without;
    }
    if (w->no_scope || w->status >= 300)
        return DIVE_NOT_COVERED;
    *reason = "missing-headers";
    if (w->status != 200 || w->n_entries == 0)
        return DIVE_REJECT;
    *reason = NULL;
    for (unsigned i = 0; i < w->n_entries; i++) {
        if (!counts(w, i) || last_fate(w, &w->entry[i], level) != GOOD)
            continue;
        if (w->truncated)
            return DIVE_UNDECIDED;
        *reason = w->tampered ? "signature-mismatch" : "none";
        return w->tampered ? DIVE_REJECT : DIVE_ACCEPT;
    }
    if (!w->tampered || w->truncated)
        *reason = reason_of(w, level);
    /* Without an end draft-00 has nothing to hold a signature against, unless no key is left. */
    if (w->truncated && w->draft == 0) {
        for (unsigned i = 0; i < w->n_entries; i++) {
            if (counts(w, i) && last_fate(w, &w->entry[i], level) == BAD_SIG)
                return DIVE_UNDECIDED;
        }
    }
    return DIVE_REJECT;
}

/* --- the world as DNS and fields --- */

static void tell(struct lab *lab, const char *name, enum dns_kind kind, const char *record,
                 enum lab_asked asked)
{
    static const enum dive_security security[] = {DIVE_DNS_SECURE, DIVE_DNS_INSECURE,
                                                  DIVE_DNS_BOGUS,  DIVE_DNS_NO_ANSWER,
                                                  DIVE_DNS_SECURE, DIVE_DNS_SECURE};

    lab_dns(lab, name, security[kind],
            kind == NOTHING ? NULL
            : kind == JUNK  ? "junk"
                            : record)
        ->asked = asked;
}

static void make_dns(struct lab *lab, const struct world *w)
{
    char name[300], policy[300];

    snprintf(policy, sizeof(policy), "v=\"dive-draft-0%d\"%s", w->draft,
             w->no_scope ? "" : ", scopes=(\"strict\")");
    for (int l = 0; l < LEVELS; l++) {
        snprintf(name, sizeof(name), "_dive.%s", level_names[l]);
        tell(lab, name, w->policy[l], policy, LAB_ANY);
        for (int k = 0; k < KEY_IDS; k++) {
            snprintf(name, sizeof(name), "%s._divekey.%s", key_ids[k], level_names[l]);
            for (int fresh = 0; fresh < 2; fresh++) {
                const struct key_fact *f = &w->key[k][l][fresh];

                tell(lab, name, f->kind,
                     lab_key_text(&pairs[f->pair],
                                  f->hash_banned ? ", allowed-hash=(\"sha512\")" : ""),
                     fresh ? LAB_FRESH_ONLY : LAB_STALE_ONLY);
            }
        }
    }
}

static void make_fields(struct lab *lab, const struct world *w)
{
    char keyid[128], label[16], parameters[300], dive_sig[2048] = "";

    for (unsigned i = 0; i < w->n_entries; i++) {
        const struct entry_fact *e = &w->entry[i];
        const char *one;
        char *colon;

        snprintf(keyid, sizeof(keyid), "%s%s%s", key_ids[e->id], e->fqdn < 0 ? "" : "@",
                 e->fqdn < 0 ? "" : level_names[e->fqdn]);
        snprintf(label, sizeof(label), "s%u", i);
        snprintf(parameters, sizeof(parameters), ";keyid=\"%s\";alg=\"ed25519\"%s", keyid,
                 e->expired ? ";expires=5" : "");
        lab_entry_over(lab, label, &pairs[e->pair], lab_content_digest(lab->body), parameters);
        if (e->spoilt) {
            colon = strrchr(lab->signature, '=') - 6; /* well inside the base64 */
            *colon = *colon == 'A' ? 'B' : 'A';
        }
        one = lab_dive_sig(lab, &pairs[e->pair], keyid, "sha256", "SHA256");
        snprintf(dive_sig + strlen(dive_sig), sizeof(dive_sig) - strlen(dive_sig), "%s%s",
                 i ? ", " : "", one);
        if (e->spoilt) {
            colon = dive_sig + strlen(dive_sig) - 10;
            *colon = *colon == 'A' ? 'B' : 'A';
        }
    }
    lab_field(lab, "Content-Digest", "%s", lab_content_digest(lab->body));
    if (w->n_entries == 0)
        return;
    lab_field(lab, "Signature-Input", "%s", lab->input);
    lab_field(lab, "Signature", "%s", lab->signature);
    lab_field(lab, "DIVE-Sig", "%s", dive_sig);
}

/* --- one play --- */

struct play {
    struct lab *lab;
    const struct world *w;
    const char *body;
    size_t sent;
    bool head, ended;
    enum dive_verdict verdict;
    enum dive_coverage coverage;
};

static void observe(struct play *p, enum dive_verdict must)
{
    enum dive_verdict verdict = dive_verifier_verdict(p->lab->v);
    enum dive_coverage coverage = dive_verifier_coverage(p->lab->v);

    if (verdict == DIVE_ACCEPT)
        cr_assert(p->ended && must == DIVE_ACCEPT, "seed %u: accepted", p->w->seed);
    if (p->verdict != DIVE_UNDECIDED)
        cr_assert_eq(verdict, p->verdict, "seed %u: the verdict moved", p->w->seed);
    if (p->coverage != DIVE_COVERAGE_PENDING)
        cr_assert_eq(coverage, p->coverage, "seed %u: the coverage moved", p->w->seed);
    if (coverage == DIVE_UNCOVERED)
        cr_assert_neq(verdict, DIVE_REJECT, "seed %u: let through, then rejected", p->w->seed);
    if (verdict == DIVE_REJECT)
        cr_assert_eq(coverage, DIVE_COVERED, "seed %u", p->w->seed);
    p->verdict = verdict;
    p->coverage = coverage;
}

static bool answer_one(struct lab *lab)
{
    size_t open[64], n = 0;

    for (size_t i = 0; i < lab->n_wants && n < 64; i++) {
        if (!lab->want[i].answered)
            open[n++] = i;
    }
    if (n == 0)
        return false;
    cr_assert_eq(lab_answer_want(lab, open[pick((unsigned)n)]), 0);
    return true;
}

static bool move_response(struct play *p)
{
    size_t left = strlen(p->body) - p->sent, n;

    if (!p->head) {
        lab_head(p->lab);
        p->head = true;
        return true;
    }
    if (left) {
        n = 1 + pick((unsigned)left);
        dive_verifier_body(p->lab->v, p->body + p->sent, n);
        p->sent += n;
        return true;
    }
    if (p->ended || p->w->truncated)
        return false;
    p->ended = true;
    lab_end(p->lab);
    return true;
}

static void check_wants(const struct lab *lab, unsigned seed)
{
    for (size_t i = 0; i < lab->n_wants; i++) {
        for (size_t k = 0; k < i; k++)
            cr_assert(lab->want[i].fresh != lab->want[k].fresh ||
                          strcmp(lab->want[i].name, lab->want[k].name) != 0,
                      "seed %u: %s asked twice", seed, lab->want[i].name);
    }
}

static enum dive_verdict play(const struct world *w)
{
    struct lab *lab = lab_new();
    struct play p = {.lab = lab, .w = w};
    const char *reason;
    enum dive_verdict must = oracle(w, &reason);
    bool dns_first = pick(4) == 0;
    char *text;

    lab->options.ignore_bogus = w->ignore_bogus;
    lab->options.ignore_no_answer = w->ignore_no_answer;
    lab->response.status = w->status;
    make_dns(lab, w);
    make_fields(lab, w);
    p.body = w->tampered ? "hello, w0rld\n" : lab->body;
    lab_start(lab);
    for (bool more = true; more;) {
        bool dns = dns_first || pick(3);

        lab_drain(lab);
        more = dns ? answer_one(lab) || move_response(&p) : move_response(&p) || answer_one(lab);
        observe(&p, must);
    }
    cr_assert_eq(p.verdict, must, "seed %u: %s instead of %s", w->seed,
                 dive_verdict_word(p.verdict), dive_verdict_word(must));
    if (reason && must != DIVE_UNDECIDED)
        cr_assert_str_eq(dive_reason_word(dive_verifier_reason(lab->v)), reason, "seed %u",
                         w->seed);
    check_wants(lab, w->seed);
    cr_assert_eq(dive_verifier_trace(lab->v, &text), 0);
    free(text);
    if (must == DIVE_REJECT) {
        cr_assert_eq(dive_verifier_report(lab->v, "https://www.dive.example/file", true, 1, &text),
                     0);
        free(text);
    }
    lab_free(lab);
    return must;
}

Test(verifier_orders, every_order_of_events_ends_as_the_oracle_says)
{
    const char *only = getenv("VERIFIER_SEED");
    unsigned seen[DIVE_NOT_SUPPORTED + 1] = {0};
    struct world w;

    for (int i = 0; i < KEYS; i++)
        lab_key_make(&pairs[i], DIVE_ALGORITHM_ED25519);
    for (unsigned seed = 1; seed <= WORLDS; seed++) {
        random_world(&w, only ? (unsigned)atoi(only) : seed);
        seen[play(&w)]++;
        if (only)
            return;
    }
    /* The worlds are worth something only if every verdict is common. */
    for (int i = 0; i <= DIVE_NOT_SUPPORTED; i++)
        cr_assert_gt(seen[i], WORLDS / 200, "verdict %d: %u", i, seen[i]);
}

/* --- with a cache, and a DNS that changes between two verifications --- */

static enum dive_verdict run_cached(struct lab *lab, unsigned seed)
{
    struct world none = {.seed = seed};
    struct play p = {.lab = lab, .w = &none, .body = lab->body};

    lab_start(lab);
    for (bool more = true; more;) {
        bool dns = pick(2);

        lab_drain(lab);
        more = dns ? answer_one(lab) || move_response(&p) : move_response(&p) || answer_one(lab);
        if (!p.ended)
            cr_assert_neq(dive_verifier_verdict(lab->v), DIVE_ACCEPT);
    }
    return dive_verifier_verdict(lab->v);
}

/* Which key each name holds: 0 none, 1 the signer, 2 another. What DNS says now must be enough to
 * be accepted; what it said within the lifetime may be. */
Test(verifier_orders, a_changing_dns_never_outlives_its_lifetime)
{
    lab_key_make(&pairs[0], DIVE_ALGORITHM_ED25519);
    lab_key_make(&pairs[1], DIVE_ALGORITHM_ED25519);
    for (unsigned seed = 1; seed <= 1000; seed++) {
        struct lab *lab = lab_new();
        int64_t signer_until = -1; /* the signer's key may count before this */
        int64_t gap_until = -1;    /* and before this the host's name may count as empty */

        state = seed;
        lab_field(lab, "DIVE-Sig", "x");
        lab->response.fields.n = 0;
        cr_assert_eq(dive_record_cache_new(&lab->options.cache, 64, NULL), 0);
        lab_entry(lab, "s", &pairs[0], "k");
        lab_fields(lab);
        for (int step = 0; step < 8; step++) {
            unsigned host = pick(3), parent = pick(3), life = 10 * pick(4);
            char more[32];
            bool now_good = host == 1 || (host == 0 && parent == 1);
            enum dive_verdict verdict;

            lab->n_answers = 0;
            snprintf(more, sizeof(more), ", cache=%u", life);
            lab_dns(lab, "_dive.dive.example", DIVE_DNS_SECURE, LAB_POLICY_01 ", cache=20");
            lab_dns(lab, "k._divekey.www.dive.example", DIVE_DNS_SECURE,
                    host ? lab_key_text(&pairs[host - 1], more) : NULL)
                ->ttl = 15;
            lab_dns(lab, "k._divekey.dive.example", DIVE_DNS_SECURE,
                    parent ? lab_key_text(&pairs[parent - 1], more) : NULL)
                ->ttl = 25;
            verdict = run_cached(lab, seed);
            if (now_good)
                cr_assert_eq(verdict, DIVE_ACCEPT, "seed %u step %d", seed, step);
            else if (lab->now >= signer_until && !(parent == 1 && lab->now < gap_until))
                cr_assert_eq(verdict, DIVE_REJECT, "seed %u step %d", seed, step);
            if (host == 0)
                gap_until = lab->now + 15;
            /* Either name may have been stored now, for min(cache, TTL). */
            if (host == 1 && lab->now + (life < 15 ? life : 15) > signer_until)
                signer_until = lab->now + (life < 15 ? life : 15);
            if (parent == 1 && lab->now + (life < 25 ? life : 25) > signer_until)
                signer_until = lab->now + (life < 25 ? life : 25);
            lab->now += pick(20);
        }
        lab_free(lab);
    }
}
