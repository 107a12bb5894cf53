// SPDX-License-Identifier: MIT
// How large a webhook endpoint may be.
#ifndef STRIPE_ENDPOINT_LIMITS_H
#define STRIPE_ENDPOINT_LIMITS_H

#define ENDPOINT_URL_MAX 2048
#define ENDPOINT_TYPES_MAX 512
#define ENDPOINT_TEXT_MAX 500    // bytes of a description, and of a name
#define ENDPOINT_METADATA_MAX 50 // keys; as Stripe's, like the next two
#define ENDPOINT_METADATA_KEY_MAX 40
#define ENDPOINT_METADATA_VALUE_MAX 500

#endif
