/* The version of these headers, for C and C++. gesso_version_number() in gesso/gesso.h has that of the library that a
 * program runs with. */
#ifndef GESSO_VERSION_H
#define GESSO_VERSION_H

#define GESSO_VERSION_MAJOR 0
#define GESSO_VERSION_MINOR 1
#define GESSO_VERSION_PATCH 0
/* One number to compare with: 1.2.3 is 10203. */
#define GESSO_VERSION_NUMBER (GESSO_VERSION_MAJOR * 10000 + GESSO_VERSION_MINOR * 100 + GESSO_VERSION_PATCH)

#endif /* GESSO_VERSION_H */
