/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Configuration files. Invariants: there is a configuration or there is an error, never both and
 * never neither; every finding can be written; a configuration answers the data path's questions.
 *
 * Input: the YAML.
 */
#include "config/config.h"

#include "config/match.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *in = fuzz_copy(data, n);
    struct config_problems problems = {0};
    struct config *config = NULL;
    int r = config_parse("fuzz.yaml", "/etc/dived", in, n, &config, &problems);

    free(in);
    CHECK((r == 0) == (config != NULL) && (r == 0) == (problems.errors == 0));
    for (size_t i = 0; i < problems.n; i++) {
        char text[300];

        config_problem_format(&problems, i, text, sizeof text);
        CHECK(memchr(text, 0, sizeof text) != NULL && text[0] != 0);
    }
    if (config) {
        struct config_subject subject = {.host = "a.example", .path = "/x", .now = 1000000000};

        (void)config_rule_match(config, &subject);
        subject = (struct config_subject){.host = "www.a.example.", .user = "a"};
        (void)config_rule_match(config, &subject);
        (void)config_scope_match(config, "x-a", "a.example", "/x", "text/html; a=b");
        (void)config_hosts_match(&config->interception.splice, "x");
        (void)config_port_allowed(config, 443);
    }
    config_unref(&config);
    config_problems_free(&problems);
    return 0;
}
