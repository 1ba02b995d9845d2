/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How many passwords may be tried, and which need not be tried again. The clock is the test's.
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "access/attempts.h"
#include "access/proven.h"

static struct attempts *attempts;
static struct proven *proven;

static void setup(void)
{
    cr_assert_eq(attempts_new(&attempts), 0);
    cr_assert_eq(proven_new(&proven), 0);
}

static void teardown(void)
{
    attempts_free(&attempts);
    proven_free(&proven);
    cr_assert_null(attempts);
    cr_assert_null(proven);
}

TestSuite(test_access_attempts, .init = setup, .fini = teardown);

static struct sockaddr_storage at(const char *text)
{
    struct sockaddr_storage out = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out;

    if (strchr(text, ':') != NULL) {
        out.ss_family = AF_INET6;
        cr_assert_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
    } else {
        out.ss_family = AF_INET;
        cr_assert_eq(inet_pton(AF_INET, text, &v4->sin_addr), 1);
    }
    return out;
}

static bool take(const char *address, const char *user, int64_t now)
{
    struct sockaddr_storage client = at(address);

    return attempts_take(attempts, (struct sockaddr *)&client, user, 5, now);
}

static bool spent(const char *address, int64_t now)
{
    struct sockaddr_storage client = at(address);

    return attempts_are_spent(attempts, (struct sockaddr *)&client, 5, now);
}

Test(test_access_attempts, one_address)
{
    for (int i = 0; i < 5; i++)
        cr_assert(take("192.0.2.1", "a", 1000));
    cr_assert(spent("192.0.2.1", 1000));
    cr_assert_not(take("192.0.2.1", "b", 1000));
    cr_assert(take("192.0.2.2", "a", 1000), "another address");
    /* One comes back every 12 seconds. */
    cr_assert_not(take("192.0.2.1", "a", 1000 + 11999));
    cr_assert(take("192.0.2.1", "a", 1000 + 12000));
    cr_assert_not(take("192.0.2.1", "a", 1000 + 12000));
    /* And never more than five at once, however long it was. */
    for (int i = 0; i < 5; i++)
        cr_assert(take("192.0.2.1", "a", 10000000));
    cr_assert_not(take("192.0.2.1", "a", 10000000));
}

Test(test_access_attempts, a_network_of_ipv6_is_one_client)
{
    for (int i = 0; i < 5; i++) {
        char address[64];

        snprintf(address, sizeof(address), "2001:db8::%d", i + 1);
        cr_assert(take(address, "a", 1));
    }
    cr_assert_not(take("2001:db8::ffff:1", "b", 1));
    cr_assert(take("2001:db8:0:1::1", "b", 1));
    for (int i = 0; i < 5; i++)
        cr_assert(take("192.0.2.7", "c", 1));
    cr_assert_not(take("::ffff:192.0.2.7", "d", 1), "one host, two spellings");
}

Test(test_access_attempts, one_user_from_many_addresses)
{
    unsigned taken = 0;

    for (int i = 0; i < 100; i++) {
        char address[64];

        snprintf(address, sizeof(address), "192.0.2.%d", i + 1);
        taken += take(address, "victim", 1);
    }
    cr_assert_eq(taken, 5u * ATTEMPTS_USER_FACTOR);
    /* What the user's bucket refuses isn't taken from the address. */
    for (int i = 0; i < 5; i++)
        cr_assert(take("192.0.2.100", "other", 1), "%d", i);
}

Test(test_access_attempts, what_was_right_is_given_back)
{
    struct sockaddr_storage client = at("192.0.2.1");

    for (int i = 0; i < 1000; i++) {
        cr_assert(take("192.0.2.1", "a", 5));
        attempts_give_back(attempts, (struct sockaddr *)&client, "a", 5, 5);
    }
    for (int i = 0; i < 5; i++)
        cr_assert(take("192.0.2.1", "a", 5));
    cr_assert_not(take("192.0.2.1", "a", 5));
}

/* A flood of names and addresses stays within its memory, and who is limited stays so. */
Test(test_access_attempts, a_flood)
{
    char name[300];

    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    cr_assert(take("198.51.100.1", name, 1), "a name of any length");
    for (int i = 0; i < 5; i++)
        (void)!take("203.0.113.9", "a", 1);
    for (int i = 0; i < 3000; i++) {
        char address[64];

        snprintf(address, sizeof(address), "10.0.%d.%d", i / 250, i % 250);
        snprintf(name, sizeof(name), "user%d", i);
        cr_assert(take(address, name, 1), "%s", address);
    }
    cr_assert(spent("203.0.113.9", 1));
}

Test(test_access_attempts, proven)
{
    uint8_t key[PROVEN_KEY], other[PROVEN_KEY];

    cr_assert_eq(proven_key(proven, "alice", "secret", "$hash", key), 0);
    cr_assert_not(proven_has(proven, key, 10));
    proven_add(proven, key, 100);
    cr_assert(proven_has(proven, key, 10));
    cr_assert(proven_has(proven, key, 99));
    cr_assert_not(proven_has(proven, key, 100));
    cr_assert_eq(proven_key(proven, "alice", "secret", "$other", other), 0);
    cr_assert_not(proven_has(proven, other, 10), "the password was changed");
    cr_assert_eq(proven_key(proven, "alic", "secret", "e$hash", other), 0);
    cr_assert_not(proven_has(proven, other, 10));
    cr_assert_eq(proven_key(proven, "alice", "secre", "$hash", other), 0);
    cr_assert_not(proven_has(proven, other, 10));
    proven_add(proven, key, 200);
    cr_assert(proven_has(proven, key, 150));
}

/* Nothing was ever proven in zeroed memory, at whatever time. */
Test(test_access_attempts, nothing_is_proven_at_first)
{
    uint8_t zero[PROVEN_KEY] = {0};

    cr_assert_not(proven_has(proven, zero, 0));
    cr_assert_not(proven_has(proven, zero, 1));
    for (int i = 0; i < 20000; i++) {
        uint8_t key[PROVEN_KEY];
        char name[32];

        snprintf(name, sizeof(name), "%d", i);
        cr_assert_eq(proven_key(proven, name, "p", "h", key), 0);
        cr_assert_not(proven_has(proven, key, 1));
        proven_add(proven, key, 1000 + i);
        cr_assert(proven_has(proven, key, 1));
    }
}

Test(test_access_attempts, what_is_too_long_has_no_key)
{
    uint8_t key[PROVEN_KEY];
    char text[2000];

    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    cr_assert_neq(proven_key(proven, text, "p", "h", key), 0);
    cr_assert_neq(proven_key(proven, "u", text, "h", key), 0);
}
