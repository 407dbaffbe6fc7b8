#include "wire/all_tmp.hpp"
