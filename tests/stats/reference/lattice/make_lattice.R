# Reference values of the lattice statistics, made with spdep; writes spdep.json beside this file.
#
#   Rscript make_lattice.R
#
# Data: Columbus (L. Anselin 1988, in spData, CC0) with its queen neighbours; North Carolina SIDS
# (N. Cressie 1993, in spData, CC0) with the neighbours of Cressie and Chan 1989, which leave two
# counties without any. Units are numbered from 0.
suppressMessages({
  library(spdep)
  library(spData)
  library(jsonlite)
})
set.policy <- set.ZeroPolicyOption(TRUE)

pairs_of <- function(nb) {
  focal <- rep(seq_along(nb), card(nb))
  list(focal = focal - 1L, neighbour = unlist(lapply(nb, function(v) v[v > 0])) - 1L)
}

tested <- function(test) {
  e <- unname(test$estimate)
  list(statistic = e[1], expected = e[2], variance = e[3], p_two_sided = test$p.value)
}

columns <- function(m, names) {
  m <- unclass(m)
  attr(m, "quadr") <- NULL
  out <- lapply(seq_along(names), function(k) unname(m[, k]))
  setNames(out, names)
}

globals <- function(y, lw, two = "two.sided") {
  list(
    moran = tested(moran.test(y, lw, alternative = two, zero.policy = TRUE, adjust.n = FALSE)),
    geary = tested(geary.test(y, lw, alternative = two, zero.policy = TRUE, adjust.n = FALSE))
  )
}

locals <- function(y, lw, lw_star) {
  n <- length(y)
  moran <- localmoran(y, lw, zero.policy = TRUE, alternative = "two.sided")
  g <- localG(y, lw, zero.policy = TRUE, return_internals = TRUE)
  star <- localG(y, lw_star, zero.policy = TRUE, return_internals = TRUE)
  list(
    moran = columns(moran, c("statistic", "expected", "variance", "z", "p_two_sided")),
    geary_n_minus_1 = as.numeric(localC(y, lw, zero.policy = TRUE)),
    g = c(list(z = as.numeric(g)), columns(attr(g, "internals"), c("statistic", "expected", "variance"))),
    g_star = c(
      list(z = as.numeric(star)),
      columns(attr(star, "internals"), c("statistic", "expected", "variance"))
    )
  )
}

both_styles <- function(y, nb) {
  out <- list()
  for (style in c("W", "B")) {
    lw <- nb2listw(nb, style = style, zero.policy = TRUE)
    lw_star <- nb2listw(include.self(nb), style = style, zero.policy = TRUE)
    out[[style]] <- c(globals(y, lw), list(local = locals(y, lw, lw_star)))
    if (all(y > 0)) {
      out[[style]]$g <- tested(globalG.test(
        y, lw, alternative = "two.sided", zero.policy = TRUE, adjust.n = FALSE, adjust.x = FALSE
      ))
    }
  }
  out
}

joins <- function(fx, nb) {
  m <- joincount.multi(fx, nb2listw(nb, style = "B", zero.policy = TRUE), zero.policy = TRUE,
                       adjust.n = FALSE)
  list(
    labels = as.character(fx), pairs = rownames(m), counts = unname(m[, 1]),
    expected = unname(m[, 2]), variance = unname(m[, 3]), z = unname(m[, 4])
  )
}

data(columbus, package = "spData")
columbus_nb <- col.gal.nb
data(nc.sids, package = "spData")
nc_nb <- ncCC89.nb
rate <- 1000 * nc.sids$SID74 / nc.sids$BIR74
freeman <- sqrt(1000) * (sqrt(nc.sids$SID74 / nc.sids$BIR74) +
  sqrt((nc.sids$SID74 + 1) / nc.sids$BIR74))
eb <- EBest(nc.sids$SID74, nc.sids$BIR74)
eb_local <- EBlocal(nc.sids$SID74, nc.sids$BIR74, nc_nb, geoda = TRUE, zero.policy = TRUE)
eb_moran <- EBImoran.mc(nc.sids$SID74, nc.sids$BIR74, nb2listw(nc_nb, style = "B", zero.policy = TRUE),
                        nsim = 9, zero.policy = TRUE)

# Links of unequal and asymmetric weights: inverse distance to the four nearest centroids.
xy <- cbind(columbus$X, columbus$Y)
near <- knn2nb(knearneigh(xy, k = 4))
inverse <- lapply(nbdists(near, xy), function(d) 1 / d)
lw_inverse <- nb2listw(near, glist = inverse, style = "B")
unequal <- c(
  pairs_of(near),
  list(value = unlist(inverse)),
  globals(columbus$CRIME, lw_inverse),
  list(
    g = tested(globalG.test(columbus$CRIME, lw_inverse, alternative = "two.sided")),
    local_moran = columns(
      localmoran(columbus$CRIME, lw_inverse, alternative = "two.sided"),
      c("statistic", "expected", "variance", "z", "p_two_sided")
    ),
    geary_n_minus_1 = as.numeric(localC(columbus$CRIME, lw_inverse)),
    g_z = as.numeric(localG(columbus$CRIME, lw_inverse))
  )
)

result <- list(
  made_with = paste("R", getRversion(), "spdep", packageVersion("spdep"), "spData",
                    packageVersion("spData")),
  columbus = c(
    list(x = columbus$X, y = columbus$Y, crime = columbus$CRIME, income = columbus$INC),
    list(links = pairs_of(columbus_nb)),
    both_styles(columbus$CRIME, columbus_nb),
    list(
      bivariate = local({
        lw <- nb2listw(columbus_nb, style = "W")
        list(
          global = moran_bv(columbus$CRIME, columbus$INC, lw, nsim = 9)$t0,
          local = as.numeric(localmoran_bv(columbus$CRIME, columbus$INC, lw, nsim = 9)[, 1])
        )
      }),
      joins = joins(cut(columbus$CRIME, c(0, 20, 30, 40, 80), labels = letters[1:4]), columbus_nb),
      joins_two = joins(factor(ifelse(columbus$CRIME > 35, "high", "low")), columbus_nb),
      unequal = unequal
    )
  ),
  nc = c(
    list(events = nc.sids$SID74, base = nc.sids$BIR74, freeman = freeman),
    list(links = pairs_of(nc_nb)),
    both_styles(freeman, nc_nb),
    list(
      moran_adjusted_n = tested(moran.test(
        freeman, nb2listw(nc_nb, style = "W", zero.policy = TRUE), zero.policy = TRUE,
        alternative = "two.sided"
      )),
      eb = eb$estmm, eb_local = eb_local$est,
      eb_moran = unname(eb_moran$statistic),
      joins = joins(cut(freeman, quantile(freeman, 0:4 / 4), labels = letters[1:4],
                        include.lowest = TRUE), nc_nb)
    )
  )
)
writeLines(toJSON(result, auto_unbox = TRUE, digits = 12, na = "null"), "spdep.json")
