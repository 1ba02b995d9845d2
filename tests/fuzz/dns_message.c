/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DNS messages. Invariants: an answer doesn't point into the packet; its records have the size of
 * their type; records come with NOERROR alone; a part of a message, cut anywhere in its answer,
 * doesn't parse to more records than the whole.
 *
 * Input: one byte (the type asked for), then the packet.
 */
#include "dns/message.h"

#include "tests/fuzz/fuzz.h"

static const uint16_t types[] = {DNS_TYPE_TXT, DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_CNAME};

static void check_answer(const struct dns_answer *a, uint16_t type)
{
    unsigned char sum = 0;

    CHECK(a->n <= DNS_ANSWER_MAX && a->aliases <= DNS_CHAIN_MAX);
    CHECK(a->n == 0 || a->rcode == DNS_RCODE_NOERROR);
    for (size_t i = 0; i < a->n; i++) {
        CHECK(type != DNS_TYPE_A || a->record[i].n == 4);
        CHECK(type != DNS_TYPE_AAAA || a->record[i].n == 16);
        for (size_t k = 0; k < a->record[i].n; k++) /* for the sanitizer */
            sum ^= (unsigned char)a->record[i].p[k];
    }
    volatile unsigned char sink = sum;

    (void)sink;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fuzz f = {data, n};
    uint16_t type = types[fuzz_byte(&f) & 3];
    uint8_t *packet = (uint8_t *)fuzz_copy(f.p, f.n);
    struct dns_answer *answer = NULL, *part = NULL;
    int r = dns_message_parse(packet, f.n, type, &answer);

    memset(packet, 0xff, f.n);
    free(packet);
    CHECK((r == 0) == (answer != NULL));
    if (answer) {
        check_answer(answer, type);
        packet = (uint8_t *)fuzz_copy(f.p, f.n - 1);
        if (dns_message_parse(packet, f.n - 1, type, &part) == 0)
            CHECK(part->n <= answer->n);
        free(packet);
    }
    free(answer);
    free(part);
    return 0;
}
